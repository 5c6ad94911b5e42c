using Gateway.Domain.Interactions;
using Gateway.Domain.Storage;
using StackExchange.Redis;

namespace Gateway.Storage.Redis;

/// <summary>
/// The store of several processes: documents in hashes, interactions in a stream, changes by pub/sub. How durable an
/// acknowledgement is depends on the server's append-only file; see docs/operations.md. Thread-safe.
/// </summary>
public sealed class RedisStore : IDocumentStore, IInteractionLog, IAsyncDisposable
{
    private readonly ConnectionMultiplexer multiplexer;
    private readonly RedisDocuments documents;
    private readonly RedisInteractions interactions;
    private readonly RedisChanges changes;
    private int disposed;

    private RedisStore(ConnectionMultiplexer multiplexer, RedisConnection connection, RedisKeys keys, RedisDocuments documents, RedisInteractions interactions, RedisChanges changes)
    {
        this.multiplexer = multiplexer;
        Connection = connection;
        Keys = keys;
        this.documents = documents;
        this.interactions = interactions;
        this.changes = changes;
    }

    /// <summary>Connects, subscribes, and warns when the server may forget what it acknowledged.</summary>
    /// <param name="configuration">StackExchange.Redis configuration, such as <c>localhost:6379,password=…</c>.</param>
    /// <param name="options">Settings.</param>
    /// <param name="clock">Paces retries.</param>
    /// <param name="logger">Gets lost connections and the durability warning.</param>
    /// <exception cref="StoreUnavailableException">The server does not answer; the message is one sentence for the operator.</exception>
    public static async Task<RedisStore> ConnectAsync(
        string configuration, RedisStoreOptions options, TimeProvider clock, ILogger logger)
    {
        var parsed = ConfigurationOptions.Parse(configuration);
        parsed.AbortOnConnectFail = true;
        ConnectionMultiplexer multiplexer;
        try
        {
            multiplexer = await ConnectionMultiplexer.ConnectAsync(parsed).ConfigureAwait(false);
        }
        catch (RedisConnectionException exception)
        {
            throw new StoreUnavailableException($"Redis at {RedisConnection.Endpoints(parsed.EndPoints)} does not answer: start it or correct the address and password", exception);
        }

        var connection = new RedisConnection(multiplexer, options, clock, logger);
        await RedisDurability.CheckAsync(connection, logger).ConfigureAwait(false);
        var keys = new RedisKeys(options.KeyPrefix);
        return new RedisStore(
            multiplexer,
            connection,
            keys,
            new RedisDocuments(connection, keys, options),
            new RedisInteractions(connection, keys, options, clock, logger),
            await RedisChanges.SubscribeAsync(multiplexer, keys.Changes, clock).ConfigureAwait(false));
    }

    /// <summary>The connection, for others who count on the same server.</summary>
    internal RedisConnection Connection { get; }

    /// <summary>The names of the keys.</summary>
    internal RedisKeys Keys { get; }

    /// <inheritdoc/>
    public ValueTask<Document?> GetAsync(string collection, string key, CancellationToken cancellationToken) =>
        documents.GetAsync(collection, key, cancellationToken);

    /// <inheritdoc/>
    public IAsyncEnumerable<Document> ListAsync(string collection, string prefix, CancellationToken cancellationToken) =>
        documents.ListAsync(collection, prefix, cancellationToken);

    /// <inheritdoc/>
    public ValueTask<CommitResult> CommitAsync(IReadOnlyList<DocumentWrite> writes, CancellationToken cancellationToken) =>
        documents.CommitAsync(writes, cancellationToken);

    /// <inheritdoc/>
    public IAsyncEnumerable<DocumentChange> WatchAsync(CancellationToken cancellationToken) => changes.Watch(cancellationToken);

    /// <inheritdoc/>
    public ValueTask AppendAsync(Interaction interaction, CancellationToken cancellationToken) =>
        interactions.AppendAsync(interaction, cancellationToken);

    /// <inheritdoc/>
    public ValueTask FlushAsync(CancellationToken cancellationToken) => interactions.FlushAsync(cancellationToken);

    /// <inheritdoc/>
    public ValueTask<Interaction?> GetAsync(string id, CancellationToken cancellationToken) => interactions.GetAsync(id, cancellationToken);

    /// <inheritdoc/>
    public IAsyncEnumerable<LoggedInteraction> ReadAsync(long after, CancellationToken cancellationToken) =>
        interactions.ReadAsync(after, cancellationToken);

    /// <inheritdoc/>
    public ValueTask<IReadOnlyList<LoggedInteraction>> ListAsync(InteractionQuery query, CancellationToken cancellationToken) =>
        interactions.ListAsync(query, cancellationToken);

    /// <inheritdoc/>
    public ValueTask<int> EraseAsync(IReadOnlyList<Interaction> erased, CancellationToken cancellationToken) =>
        interactions.EraseAsync(erased, cancellationToken);

    /// <summary>
    /// Takes in nothing of a user any more that began before a time, whichever process still has it, and none of the interactions
    /// with the ids. What this process had kept on its disk while the server was away is in the store when the task completes.
    /// </summary>
    /// <exception cref="StoreUnavailableException">The server is away, or has not got what this process kept for it yet.</exception>
    public Task ForgetAsync(string user, DateTimeOffset before, IReadOnlyCollection<string> ids, CancellationToken cancellationToken) =>
        interactions.ForgetAsync(user, before, ids, cancellationToken);

    /// <summary>Has the server rewrite its append-only file, so that what was deleted leaves its disk, too; it does so in the background.</summary>
    public Task CompactAsync(CancellationToken cancellationToken) => documents.CompactAsync(cancellationToken);

    /// <summary>Writes what is queued and disconnects; calling again does nothing.</summary>
    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref disposed, 1) == 1)
        {
            return;
        }

        await interactions.DisposeAsync().ConfigureAwait(false);
        await changes.DisposeAsync().ConfigureAwait(false);
        await multiplexer.CloseAsync().ConfigureAwait(false);
        multiplexer.Dispose();
    }
}
