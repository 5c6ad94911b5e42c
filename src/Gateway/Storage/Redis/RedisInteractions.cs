using System.Globalization;
using System.Runtime.CompilerServices;
using Gateway.Domain.Interactions;
using Gateway.Domain.Storage;
using StackExchange.Redis;

namespace Gateway.Storage.Redis;

/// <summary>Interactions in a Redis stream, numbered by a counter, with sorted sets for the filtered listings.</summary>
internal sealed class RedisInteractions : IAsyncDisposable
{
    private const int ScriptRecords = 128;
    private const int ScriptValues = 5;
    private const int ScriptBytes = 4 << 20;
    private const int PageSize = 256;
    private static readonly TimeSpan SpillAfter = TimeSpan.FromSeconds(1);

    private readonly RedisConnection connection;
    private readonly RedisKeys keys;
    private readonly AppendQueue<Interaction> queue;
    private readonly SpillingWriter? spilling;
    private readonly ILogger logger;

    public RedisInteractions(RedisConnection connection, RedisKeys keys, RedisStoreOptions options, TimeProvider clock, ILogger logger)
    {
        this.connection = connection;
        this.keys = keys;
        this.logger = logger;
        spilling = options.SpillFolder is { } folder ? new SpillingWriter(WriteAsync, folder, SpillAfter, clock, logger) : null;
        queue = new AppendQueue<Interaction>(
            spilling is null ? group => WriteAsync(group, options.RetryFor) : spilling.WriteAsync, clock, logger);
    }

    public ValueTask AppendAsync(Interaction interaction, CancellationToken cancellationToken) =>
        queue.AppendAsync(interaction, cancellationToken);

    public ValueTask FlushAsync(CancellationToken cancellationToken) => queue.FlushAsync(cancellationToken);

    public async ValueTask<Interaction?> GetAsync(string id, CancellationToken cancellationToken)
    {
        var json = await connection.EvaluateAsync(
            RedisScripts.Find, [keys.Interactions, keys.InteractionIds], [id], cancellationToken).ConfigureAwait(false);
        return json.IsNull ? null : PackedInteraction.Unpack((byte[])json!);
    }

    public async IAsyncEnumerable<LoggedInteraction> ReadAsync(long after, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var last = (long)await connection.SendAsync(
            database => database.StringGetAsync(keys.InteractionCounter), cancellationToken).ConfigureAwait(false);
        while (after < last)
        {
            var page = Parse(await connection.EvaluateAsync(
                RedisScripts.Range, [keys.Interactions], [after + 1, last, PageSize], cancellationToken).ConfigureAwait(false));
            foreach (var logged in page)
            {
                yield return logged;
            }

            if (page.Count == 0)
            {
                yield break;
            }

            after = page[^1].Sequence;
        }
    }

    public async ValueTask<IReadOnlyList<LoggedInteraction>> ListAsync(InteractionQuery query, CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(query.Limit, 1);
        if (query.User is { } user)
        {
            return await ListOfUserAsync(query, user, cancellationToken).ConfigureAwait(false);
        }

        RedisKey? filter = query switch
        {
            { Deployment: { } deployment, FlaggedOnly: true } => keys.FlaggedOfDeployment(deployment),
            { Deployment: { } deployment } => keys.OfDeployment(deployment),
            { FlaggedOnly: true } => keys.Flagged,
            _ => (RedisKey?)null,
        };
        RedisValue[] values = [(query.Before ?? long.MaxValue) - 1, query.Limit];
        return Parse(filter is { } index
            ? await connection.EvaluateAsync(RedisScripts.NewestOf, [keys.Interactions, index], values, cancellationToken).ConfigureAwait(false)
            : await connection.EvaluateAsync(RedisScripts.Newest, [keys.Interactions], values, cancellationToken).ConfigureAwait(false));
    }

    public async ValueTask<int> EraseAsync(IReadOnlyList<Interaction> interactions, CancellationToken cancellationToken)
    {
        var erased = 0;
        foreach (var chunk in interactions.Chunk(ScriptRecords))
        {
            RedisKey[] scriptKeys =
            [
                keys.Interactions, keys.InteractionIds,
                .. chunk.SelectMany(interaction => keys.Listings(interaction.Deployment, interaction.User)),
            ];
            RedisValue[] ids = [.. chunk.Select(interaction => (RedisValue)interaction.Id)];
            erased += (int)await connection.EvaluateAsync(RedisScripts.Erase, scriptKeys, ids, cancellationToken).ConfigureAwait(false);
        }

        return erased;
    }

    /// <summary>
    /// Sends what this process has in its local file, so that it can be found; then nothing of the user that began before a time is
    /// taken in any more, whichever process still has it on its way or on its disk, and neither are the interactions with the ids.
    /// </summary>
    public async Task ForgetAsync(string user, DateTimeOffset before, IReadOnlyCollection<string> ids, CancellationToken cancellationToken)
    {
        await (spilling?.DrainAsync() ?? Task.CompletedTask).ConfigureAwait(false);
        RedisValue[] values = [RedisKeys.NameOf(user), before.ToUnixTimeMilliseconds(), .. ids.Select(id => (RedisValue)id)];
        await connection.EvaluateAsync(RedisScripts.Forget, [keys.ErasedUsers, keys.InteractionIds], values, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Writes what is queued.</summary>
    public async ValueTask DisposeAsync()
    {
        await queue.DisposeAsync().ConfigureAwait(false);
        await (spilling?.DisposeAsync() ?? ValueTask.CompletedTask).ConfigureAwait(false);
    }

    /// <summary>The writer of <see cref="queue"/>: a group in scripts of bounded size, one after the other to keep the order.</summary>
    private async Task WriteAsync(IReadOnlyList<Interaction> group, TimeSpan retryFor)
    {
        for (var i = 0; i < group.Count;)
        {
            List<RedisKey> scriptKeys = [keys.Interactions, keys.InteractionIds, keys.InteractionCounter, keys.ErasedUsers];
            List<RedisValue> values = [];
            for (var bytes = 0; i < group.Count && values.Count < ScriptValues * ScriptRecords && bytes < ScriptBytes; i++)
            {
                var packed = PackedInteraction.Pack(group[i]);
                scriptKeys.AddRange(keys.Listings(packed.Deployment, packed.User));
                values.AddRange(
                    [packed.Id, packed.Flagged ? "1" : "0", packed.User is null ? "" : RedisKeys.NameOf(packed.User), group[i].CreatedAt.ToUnixTimeMilliseconds(), packed.Json]);
                bytes += packed.Json.Length;
            }

            var refused = (int)await connection.EvaluateAsync(RedisScripts.Append, [.. scriptKeys], [.. values], retryFor, CancellationToken.None).ConfigureAwait(false);
            if (refused > 0)
            {
                logger.LogInformation("{Count} interactions of users whose deletion came first were not taken in.", refused);
            }
        }
    }

    /// <summary>The user's own set is short, so the other filters are applied to what it gives.</summary>
    private async Task<IReadOnlyList<LoggedInteraction>> ListOfUserAsync(InteractionQuery query, string user, CancellationToken cancellationToken)
    {
        var found = new List<LoggedInteraction>();
        for (var before = query.Before ?? long.MaxValue; ;)
        {
            var page = Parse(await connection.EvaluateAsync(
                RedisScripts.NewestOf, [keys.Interactions, keys.OfUser(user)], [before - 1, PageSize], cancellationToken).ConfigureAwait(false));
            found.AddRange(page.Where(logged => (query.Deployment is null || logged.Interaction.Deployment == query.Deployment)
                && (!query.FlaggedOnly || logged.Interaction.Flags.Count > 0)));
            if (found.Count >= query.Limit || page.Count < PageSize)
            {
                return found[..Math.Min(found.Count, query.Limit)];
            }

            before = page[^1].Sequence;
        }
    }

    private static List<LoggedInteraction> Parse(RedisResult reply)
    {
        var parts = (RedisResult[])reply!;
        var page = new List<LoggedInteraction>(parts.Length / 2);
        for (var i = 0; i < parts.Length; i += 2)
        {
            var entryId = ((string)parts[i]!).AsSpan();
            var sequence = long.Parse(entryId[..entryId.IndexOf('-')], CultureInfo.InvariantCulture);
            page.Add(new LoggedInteraction(sequence, PackedInteraction.Unpack((byte[])parts[i + 1]!)));
        }

        return page;
    }
}
