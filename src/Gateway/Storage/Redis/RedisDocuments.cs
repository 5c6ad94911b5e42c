using System.Buffers.Text;
using System.Runtime.CompilerServices;
using Gateway.Domain.Storage;
using StackExchange.Redis;

namespace Gateway.Storage.Redis;

/// <summary>Documents in Redis: one hash and one ordered key set per collection, commits by one script.</summary>
internal sealed class RedisDocuments(RedisConnection connection, RedisKeys keys, RedisStoreOptions options)
{
    private const int PageSize = 128;

    public async ValueTask<Document?> GetAsync(string collection, string key, CancellationToken cancellationToken)
    {
        var value = await connection.SendAsync(
            database => database.HashGetAsync(keys.Documents(collection), key), cancellationToken).ConfigureAwait(false);
        return Parse(collection, key, value);
    }

    /// <summary>Byte order and ordinal order differ beyond the basic plane, so the keys are sorted here, then read page by page.</summary>
    public async IAsyncEnumerable<Document> ListAsync(
        string collection, string prefix, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var found = await connection.SendAsync(database => FindKeysAsync(database, collection, prefix), cancellationToken).ConfigureAwait(false);
        foreach (var page in found.Select(key => (string)key!).Order(StringComparer.Ordinal).Chunk(PageSize))
        {
            RedisValue[] fields = [.. page.Select(key => (RedisValue)key)];
            var values = await connection.SendAsync(
                database => database.HashGetAsync(keys.Documents(collection), fields), cancellationToken).ConfigureAwait(false);
            for (var i = 0; i < page.Length; i++)
            {
                if (Parse(collection, page[i], values[i]) is { } document)
                {
                    yield return document;
                }
            }
        }
    }

    public async ValueTask<CommitResult> CommitAsync(IReadOnlyList<DocumentWrite> writes, CancellationToken cancellationToken)
    {
        DocumentWrites.Check(writes);
        if (writes.Count == 0)
        {
            return new CommitResult(true, null);
        }

        // The marker outlives every sending of this commit.
        var lifetime = (int)((2 * (options.RetryFor + options.CommandTimeout)).TotalSeconds + 60);
        List<RedisKey> scriptKeys = [keys.Commit(Guid.NewGuid())];
        List<RedisValue> values = [keys.Changes, lifetime];
        foreach (var write in writes)
        {
            scriptKeys.AddRange([keys.Documents(write.Collection), keys.DocumentKeys(write.Collection)]);
            values.AddRange(
            [
                write.Collection,
                write.Key,
                write.ExpectedVersion is { } expected ? expected : "",
                write.Json is null ? "0" : "1",
                write.Json is { } json ? json.ToArray() : "",
            ]);
        }

        var reply = await connection.EvaluateAsync(
            RedisScripts.Commit, [.. scriptKeys], [.. values], cancellationToken).ConfigureAwait(false);
        var conflict = (int)reply;
        return conflict == 0 ? new CommitResult(true, null) : new CommitResult(false, writes[conflict - 1]);
    }

    /// <summary>A server that is rewriting already, or does not allow it, is left alone: it rewrites by itself as the file grows.</summary>
    public async Task CompactAsync(CancellationToken cancellationToken)
    {
        try
        {
            await connection.SendAsync(database => database.ExecuteAsync("BGREWRITEAOF"), cancellationToken).ConfigureAwait(false);
        }
        catch (StoreUnavailableException failure) when (failure.InnerException is RedisServerException)
        {
        }
    }

    private Task<RedisValue[]> FindKeysAsync(IDatabase database, string collection, string prefix)
    {
        // 0xFF occurs in no UTF-8 text, so prefix + 0xFF is above every key with the prefix.
        var bytes = DocumentWrites.Utf8.GetBytes(prefix);
        return prefix.Length == 0
            ? database.SortedSetRangeByRankAsync(keys.DocumentKeys(collection))
            : database.SortedSetRangeByValueAsync(keys.DocumentKeys(collection), bytes, (byte[])[.. bytes, 0xFF]);
    }

    private static Document? Parse(string collection, string key, RedisValue value)
    {
        if (value.IsNull)
        {
            return null;
        }

        var bytes = (byte[])value!;
        Utf8Parser.TryParse(bytes, out long version, out var digits);
        return new Document(collection, key, version, bytes.AsMemory(digits + 1));
    }
}
