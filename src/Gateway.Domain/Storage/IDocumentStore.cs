namespace Gateway.Domain.Storage;

/// <summary>A versioned document; versions of one key count 1, 2, 3 …</summary>
public sealed record Document(string Collection, string Key, long Version, ReadOnlyMemory<byte> Json);

/// <summary>
/// One write of a commit. <see cref="ExpectedVersion"/>: 0 = the key must not exist, n = it must be at version n,
/// null = whatever is there. <see cref="Json"/> null deletes the key.
/// </summary>
public sealed record DocumentWrite(string Collection, string Key, long? ExpectedVersion, ReadOnlyMemory<byte>? Json);

/// <summary>Outcome of a commit: all writes done, or none and the first write whose expectation failed.</summary>
public readonly record struct CommitResult(bool Committed, DocumentWrite? Conflict);

/// <summary>A committed change, for readers that keep a snapshot.</summary>
public readonly record struct DocumentChange(string Collection, string Key);

/// <summary>
/// Small versioned documents with compare-and-set over several keys at once: contracts, adapters, releases, deployments,
/// rollouts, jobs, feedback, audit. Thread-safe. Implementations pass one conformance suite.
/// </summary>
public interface IDocumentStore
{
    /// <summary>The document, or null.</summary>
    ValueTask<Document?> GetAsync(string collection, string key, CancellationToken cancellationToken);

    /// <summary>Documents whose key starts with <paramref name="prefix"/>, in ordinal key order; a consistent view is not promised.</summary>
    IAsyncEnumerable<Document> ListAsync(string collection, string prefix, CancellationToken cancellationToken);

    /// <summary>Applies all writes or none. When the task completes with Committed, the writes are durable and visible.</summary>
    ValueTask<CommitResult> CommitAsync(IReadOnlyList<DocumentWrite> writes, CancellationToken cancellationToken);

    /// <summary>
    /// Changes committed after the call, by any process on this store; after a lost connection one change with an empty
    /// collection and key says "read everything again".
    /// </summary>
    IAsyncEnumerable<DocumentChange> WatchAsync(CancellationToken cancellationToken);
}
