using System.Threading.Channels;
using Gateway.Domain.Storage;

namespace Gateway.Storage.Files;

/// <summary>
/// Documents of the embedded store: an immutable index in memory, and a log of commits on disk from which it is rebuilt.
/// One writer decides all commits in order; what gathers during one fsync shares the next.
/// </summary>
internal sealed class FilesDocuments : IAsyncDisposable
{
    private const int GroupSize = 1024;
    private const int GroupBytes = 4 << 20;

    private readonly Channel<Request> requests =
        Channel.CreateBounded<Request>(new BoundedChannelOptions(GroupSize) { SingleReader = true });

    private readonly ChangeFeed changes = new();
    private readonly string path;
    private readonly FilesStoreOptions options;
    private readonly TimeProvider clock;
    private readonly ILogger logger;
    private readonly Task loop;
    private LogFile log;
    private volatile DocumentIndex index;
    private long compactAt;
    private bool nameIsDurable = true;

    private FilesDocuments(string path, FilesStoreOptions options, TimeProvider clock, ILogger logger)
    {
        this.path = path;
        this.options = options;
        this.clock = clock;
        this.logger = logger;
        var replayed = new Dictionary<(string Collection, string Key), Document>();
        log = LogFile.Open(path, (_, payload) => DocumentRecord.Replay(payload, replayed), clock, logger);
        index = DocumentIndex.Of(replayed.Values);
        CompactIfWorthwhile();
        loop = Task.Factory.StartNew(Run, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
    }

    /// <summary>Opens or creates <c>documents.log</c> in the folder.</summary>
    public static FilesDocuments Open(string folder, FilesStoreOptions options, TimeProvider clock, ILogger logger)
    {
        var path = Path.Combine(folder, "documents.log");
        File.Delete(NextPath(path));
        return new FilesDocuments(path, options, clock, logger);
    }

    public Document? Get(string collection, string key) => index.Find(collection, key);

    public IEnumerable<Document> List(string collection, string prefix) => index.WithPrefix(collection, prefix);

    public IAsyncEnumerable<DocumentChange> Watch(CancellationToken cancellationToken) => changes.Watch(cancellationToken);

    /// <summary>Cancellation counts until the commit is queued; after that its outcome is awaited, so it is always known.</summary>
    public async ValueTask<CommitResult> CommitAsync(IReadOnlyList<DocumentWrite> writes, CancellationToken cancellationToken)
    {
        DocumentWrites.Check(writes);
        var request = new Request(writes);
        await EnqueueAsync(request, cancellationToken).ConfigureAwait(false);
        return await request.Outcome.Task.ConfigureAwait(false);
    }

    /// <summary>Rewrites the log now, so that everything deleted or overwritten leaves the disk.</summary>
    public async Task CompactAsync(CancellationToken cancellationToken)
    {
        var request = new Request(Writes: null);
        await EnqueueAsync(request, cancellationToken).ConfigureAwait(false);
        await request.Outcome.Task.ConfigureAwait(false);
    }

    /// <summary>Finishes queued commits and closes the log.</summary>
    public async ValueTask DisposeAsync()
    {
        requests.Writer.TryComplete();
        await loop.ConfigureAwait(false);
        changes.Close();
        log.Dispose();
    }

    /// <summary>Closes a store that nobody has used yet.</summary>
    public void Abandon()
    {
        requests.Writer.TryComplete();
        log.Dispose();
    }

    private static string NextPath(string path) => path + ".next";

    private async Task EnqueueAsync(Request request, CancellationToken cancellationToken)
    {
        try
        {
            await requests.Writer.WriteAsync(request, cancellationToken).ConfigureAwait(false);
        }
        catch (ChannelClosedException)
        {
            throw new ObjectDisposedException(nameof(FilesStore), "The store is closed: the process is stopping.");
        }
    }

    /// <summary>On a thread of its own, because fsync would hold one that answers requests.</summary>
    private void Run()
    {
        var group = new List<Request>();
        while (requests.Reader.WaitToReadAsync().AsTask().GetAwaiter().GetResult())
        {
            group.Clear();
            var bytes = 0;
            while (group.Count < GroupSize && bytes < GroupBytes && requests.Reader.TryRead(out var request))
            {
                group.Add(request);
                bytes += request.Bytes;
            }

            CommitGroup(group);
            CompactIfWorthwhile();
        }
    }

    /// <summary>
    /// 1. decide each commit on the index as the ones before it leave it; 2. make all records durable with one fsync;
    /// 3. show the new index; 4. answer. When step 2 fails nothing has happened, also for commits refused because of
    /// one that failed with them.
    /// </summary>
    private void CommitGroup(List<Request> group)
    {
        try
        {
            var next = index;
            var results = new CommitResult[group.Count];
            var payloads = new List<ReadOnlyMemory<byte>>();
            for (var i = 0; i < group.Count; i++)
            {
                results[i] = Decide(group[i].Writes ?? [], ref next, payloads);
            }

            if (payloads.Count > 0)
            {
                EnsureNameIsDurable();
                log.Append(payloads, new long[payloads.Count]);
                index = next;
            }

            if (group.Any(request => request.Writes is null))
            {
                Compact();
            }

            for (var i = 0; i < group.Count; i++)
            {
                Announce(group[i], results[i]);
            }
        }
        catch (Exception exception)
        {
            logger.LogError(exception, "{Commits} commits failed.", group.Count);
            var failure = new StoreUnavailableException($"{path} cannot be written ({exception.Message}): free or repair the disk, then try again", exception);
            group.ForEach(request => request.Outcome.TrySetException(failure));
        }
    }

    private static CommitResult Decide(IReadOnlyList<DocumentWrite> writes, ref DocumentIndex index, List<ReadOnlyMemory<byte>> payloads)
    {
        foreach (var write in writes)
        {
            if (write.ExpectedVersion is { } expected && expected != (index.Find(write.Collection, write.Key)?.Version ?? 0))
            {
                return new CommitResult(false, write);
            }
        }

        var record = new DocumentRecord();
        foreach (var write in writes)
        {
            var found = index.Find(write.Collection, write.Key);
            if (write.Json is { } json)
            {
                var document = new Document(write.Collection, write.Key, (found?.Version ?? 0) + 1, json.ToArray());
                record.AddPut(document);
                index = index.With(document);
            }
            else if (found is not null)
            {
                record.AddDelete(write.Collection, write.Key);
                index = index.Without(write.Collection, write.Key);
            }
        }

        if (record.Payload.Length > 0)
        {
            payloads.Add(record.Payload);
        }

        return new CommitResult(true, null);
    }

    private void Announce(Request request, CommitResult result)
    {
        if (result.Committed)
        {
            foreach (var write in request.Writes ?? [])
            {
                changes.Publish(new DocumentChange(write.Collection, write.Key));
            }
        }

        request.Outcome.TrySetResult(result);
    }

    private void CompactIfWorthwhile()
    {
        var garbage = log.Length - index.LiveBytes;
        if (garbage <= Math.Max(options.CompactionThreshold, log.Length / 2) || log.Length < compactAt)
        {
            return;
        }

        try
        {
            Compact();
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            compactAt = log.Length + options.CompactionThreshold;
            logger.LogWarning(exception, "{Path} holds {Bytes} bytes of garbage but could not be rewritten; trying again later.", path, garbage);
        }
    }

    /// <summary>
    /// Writes the live documents to a new file, makes it durable, and renames it over the log. A crash before the rename
    /// leaves the old log in force; the leftover is deleted at the next start. From the rename on only the new file counts,
    /// and nothing is acknowledged before its name is durable.
    /// </summary>
    private void Compact()
    {
        File.Delete(NextPath(path));
        var next = LogFile.Open(NextPath(path), (_, _) => { }, clock, logger);
        try
        {
            var address = new long[1];
            var record = new DocumentRecord();
            foreach (var document in index.All)
            {
                record.AddPut(document);
                if (record.Payload.Length >= GroupBytes)
                {
                    next.Append([record.Payload], address);
                    record = new DocumentRecord();
                }
            }

            if (record.Payload.Length > 0)
            {
                next.Append([record.Payload], address);
            }

            File.Move(NextPath(path), path, overwrite: true);
        }
        catch
        {
            next.Dispose();
            throw;
        }

        logger.LogInformation("{Path} rewritten: {Before} bytes before, {After} after.", path, log.Length, next.Length);
        log.Dispose();
        (log, nameIsDurable) = (next, false);
        EnsureNameIsDurable();
    }

    private void EnsureNameIsDurable()
    {
        if (!nameIsDurable)
        {
            DurableFiles.FlushFolder(Path.GetDirectoryName(path)!);
            nameIsDurable = true;
        }
    }

    /// <summary>A commit, or with null writes the wish to rewrite the log.</summary>
    private sealed record Request(IReadOnlyList<DocumentWrite>? Writes)
    {
        public TaskCompletionSource<CommitResult> Outcome { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public int Bytes { get; } = Writes?.Sum(write => write.Json?.Length ?? 0) ?? 0;
    }
}
