using Gateway.Domain.Storage;
using Gateway.Storage;
using Gateway.Storage.Files;
using Gateway.Storage.Redis;

namespace Gateway.Hosting;

/// <summary>The opened store of this process; dispose it last.</summary>
public sealed class GatewayStore : IAsyncDisposable
{
    private readonly IAsyncDisposable _owner;
    private readonly Func<CancellationToken, Task> _compact;

    private GatewayStore(
        IDocumentStore documents, IInteractionLog interactions, Func<CancellationToken, Task> compact, IAsyncDisposable owner, string description, RedisStore? redis = null)
    {
        (Documents, Interactions, _compact, _owner, Description, Redis) = (documents, interactions, compact, owner, description, redis);
    }

    /// <summary>The documents.</summary>
    public IDocumentStore Documents { get; }

    /// <summary>The interaction log.</summary>
    public IInteractionLog Interactions { get; }

    /// <summary>The store when it is Redis, which can also count for all replicas.</summary>
    internal RedisStore? Redis { get; }

    /// <summary>Where the records are, for the start banner.</summary>
    public string Description { get; }

    /// <summary>Has the store take deleted documents off its disk.</summary>
    public Task CompactAsync(CancellationToken cancellationToken) => _compact(cancellationToken);

    /// <summary>
    /// Sees to it that nothing of an erased user comes back from a gateway that still has it on its disk for a Redis that was away. The
    /// embedded store has at once whatever it accepts.
    /// </summary>
    /// <param name="user">The user.</param>
    /// <param name="before">What began before is refused.</param>
    /// <param name="ids">Further interactions that are refused.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <exception cref="StoreUnavailableException">It cannot be seen to now.</exception>
    public Task ForgetAsync(string user, DateTimeOffset before, IReadOnlyCollection<string> ids, CancellationToken cancellationToken) =>
        Redis?.ForgetAsync(user, before, ids, cancellationToken) ?? Task.CompletedTask;

    /// <summary>Opens Redis when it is configured, else the embedded store in the data folder.</summary>
    /// <exception cref="StartRefusedException">The store cannot be opened.</exception>
    public static async Task<GatewayStore> OpenAsync(ServeOptions options, TimeProvider clock, ILoggerFactory loggers)
    {
        try
        {
            Directory.CreateDirectory(options.Data);
            if (options.Redis is { } configuration)
            {
                var redis = await RedisStore.ConnectAsync(configuration, new RedisStoreOptions { SpillFolder = options.Data }, clock, loggers.CreateLogger<RedisStore>());
                return new(redis, redis, redis.CompactAsync, redis, "Redis", redis);
            }

            var files = FilesStore.Open(options.Data, new FilesStoreOptions(), clock, loggers.CreateLogger<FilesStore>());
            return new(files, files, files.CompactAsync, files, options.Data);
        }
        catch (StoreUnavailableException failure)
        {
            throw new StartRefusedException(failure.Message, failure);
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            throw new StartRefusedException($"the data folder {options.Data} cannot be created ({failure.Message}): pass --data with a folder you can write", failure);
        }
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => _owner.DisposeAsync();
}
