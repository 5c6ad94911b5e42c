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
    private const int ScriptBytes = 4 << 20;
    private const int PageSize = 256;

    private readonly RedisConnection connection;
    private readonly RedisKeys keys;
    private readonly AppendQueue<Interaction> queue;

    public RedisInteractions(RedisConnection connection, RedisKeys keys, TimeProvider clock, ILogger logger)
    {
        this.connection = connection;
        this.keys = keys;
        queue = new AppendQueue<Interaction>(WriteAsync, clock, logger);
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

    /// <summary>Writes what is queued.</summary>
    public ValueTask DisposeAsync() => queue.DisposeAsync();

    /// <summary>The writer of <see cref="queue"/>: a group in scripts of bounded size, one after the other to keep the order.</summary>
    private async Task WriteAsync(IReadOnlyList<Interaction> group)
    {
        for (var i = 0; i < group.Count;)
        {
            List<RedisKey> scriptKeys = [keys.Interactions, keys.InteractionIds, keys.InteractionCounter];
            List<RedisValue> values = [];
            for (var bytes = 0; i < group.Count && values.Count < 3 * ScriptRecords && bytes < ScriptBytes; i++)
            {
                var packed = PackedInteraction.Pack(group[i]);
                scriptKeys.AddRange([keys.OfDeployment(packed.Deployment), keys.Flagged, keys.FlaggedOfDeployment(packed.Deployment)]);
                values.AddRange([packed.Id, packed.Flagged ? "1" : "0", packed.Json]);
                bytes += packed.Json.Length;
            }

            await connection.EvaluateAsync(RedisScripts.Append, [.. scriptKeys], [.. values], CancellationToken.None).ConfigureAwait(false);
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
