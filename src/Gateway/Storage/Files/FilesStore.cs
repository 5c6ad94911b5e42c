using System.Runtime.CompilerServices;
using Gateway.Domain.Interactions;
using Gateway.Domain.Storage;

namespace Gateway.Storage.Files;

/// <summary>
/// The embedded store: one folder with <c>documents.log</c>, <c>interactions.log</c> with its index, and a lock against a second process.
/// Acknowledged means on the disk (fsync). Thread-safe.
/// </summary>
public sealed class FilesStore : IDocumentStore, IInteractionLog, IAsyncDisposable
{
    private readonly FolderLock folderLock;
    private readonly FilesDocuments documents;
    private readonly FilesInteractions interactions;
    private int disposed;

    private FilesStore(FolderLock folderLock, FilesDocuments documents, FilesInteractions interactions)
    {
        this.folderLock = folderLock;
        this.documents = documents;
        this.interactions = interactions;
    }

    /// <summary>Claims the folder, recovers both logs, and is ready.</summary>
    /// <param name="folder">Created when missing.</param>
    /// <param name="options">Settings.</param>
    /// <param name="clock">Measures commits and paces retries.</param>
    /// <param name="logger">Gets the bytes cut from a torn tail, rewrites, and disk failures.</param>
    /// <exception cref="StoreUnavailableException">In use by another process, not writable, or damaged; the message is one sentence for the operator.</exception>
    public static FilesStore Open(string folder, FilesStoreOptions options, TimeProvider clock, ILogger logger)
    {
        folder = Path.GetFullPath(folder);
        var folderLock = FolderLock.Take(folder);
        FilesDocuments? documents = null;
        try
        {
            documents = FilesDocuments.Open(folder, options, clock, logger);
            return new FilesStore(folderLock, documents, FilesInteractions.Open(folder, options, clock, logger));
        }
        catch (Exception exception)
        {
            documents?.Abandon();
            folderLock.Dispose();
            if (exception is UnauthorizedAccessException or (IOException and not StoreUnavailableException))
            {
                throw new StoreUnavailableException(
                    $"the data folder {folder} cannot be opened ({exception.Message}): make it writable or pass --data with another folder", exception);
            }

            throw;
        }
    }

    /// <inheritdoc/>
    public ValueTask<Document?> GetAsync(string collection, string key, CancellationToken cancellationToken) =>
        ValueTask.FromResult(documents.Get(collection, key));

    /// <inheritdoc/>
    public IAsyncEnumerable<Document> ListAsync(string collection, string prefix, CancellationToken cancellationToken) =>
        documents.List(collection, prefix).ToAsyncEnumerable();

    /// <inheritdoc/>
    public ValueTask<CommitResult> CommitAsync(IReadOnlyList<DocumentWrite> writes, CancellationToken cancellationToken) =>
        documents.CommitAsync(writes, cancellationToken);

    /// <inheritdoc/>
    public IAsyncEnumerable<DocumentChange> WatchAsync(CancellationToken cancellationToken) => documents.Watch(cancellationToken);

    /// <summary>Rewrites the document log now, so that everything deleted or overwritten leaves the disk.</summary>
    public Task CompactAsync(CancellationToken cancellationToken) => documents.CompactAsync(cancellationToken);

    /// <inheritdoc/>
    public ValueTask AppendAsync(Interaction interaction, CancellationToken cancellationToken) =>
        interactions.AppendAsync(interaction, cancellationToken);

    /// <inheritdoc/>
    public ValueTask FlushAsync(CancellationToken cancellationToken) => interactions.FlushAsync(cancellationToken);

    /// <inheritdoc/>
    public ValueTask<Interaction?> GetAsync(string id, CancellationToken cancellationToken) =>
        ValueTask.FromResult(interactions.Get(id));

    /// <inheritdoc/>
    public IAsyncEnumerable<LoggedInteraction> ReadAsync(long after, CancellationToken cancellationToken) =>
        interactions.ReadAsync(after, cancellationToken);

    /// <inheritdoc/>
    public ValueTask<IReadOnlyList<LoggedInteraction>> ListAsync(InteractionQuery query, CancellationToken cancellationToken) =>
        ValueTask.FromResult(interactions.List(query));

    /// <inheritdoc/>
    public ValueTask<int> EraseAsync(IReadOnlyList<Interaction> erased, CancellationToken cancellationToken) =>
        new(interactions.EraseAsync(erased, cancellationToken));

    /// <summary>Makes everything accepted durable and frees the folder; calling again does nothing.</summary>
    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref disposed, 1) == 1)
        {
            return;
        }

        await documents.DisposeAsync().ConfigureAwait(false);
        await interactions.DisposeAsync().ConfigureAwait(false);
        folderLock.Dispose();
    }
}
