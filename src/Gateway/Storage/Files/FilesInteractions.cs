using System.Runtime.CompilerServices;
using Gateway.Domain.Interactions;
using Gateway.Domain.Storage;

namespace Gateway.Storage.Files;

/// <summary>
/// Interactions of the embedded store: an append-only log, and an index in memory that comes from its snapshot and the part of
/// the log behind it. An id that is appended again is ignored, so that a replay is harmless. Erasing overwrites records in
/// place; when more than half of the log is erased it is rewritten.
/// </summary>
internal sealed class FilesInteractions : IAsyncDisposable
{
    private const int ReadAhead = 256;
    private const int RewriteRecords = 1024;

    /// <summary>So many records behind the snapshot are read again in well under a second.</summary>
    private const int SnapshotEvery = 100_000;

    private readonly string path;
    private readonly FilesStoreOptions options;
    private readonly TimeProvider clock;
    private readonly ILogger logger;
    private readonly AppendQueue<Interaction> queue;

    // Taken by whoever changes the log: appends, erasing, rewriting.
    private readonly Lock writing = new();
    private readonly RecordWriter records = new();

    // Read by whoever goes from the index to the log; written while records are overwritten or the log is another file.
    private readonly ReaderWriterLockSlim layout = new();
    private InteractionIndex index = new();
    private LogFile log;
    private long garbage;
    private int sinceSnapshot;

    private FilesInteractions(string path, FilesStoreOptions options, TimeProvider clock, ILogger logger)
    {
        this.path = path;
        this.options = options;
        this.clock = clock;
        this.logger = logger;
        File.Delete(path + ".next");
        log = OpenLog();
        if (sinceSnapshot >= SnapshotEvery)
        {
            SaveSnapshot();
        }

        queue = new AppendQueue<Interaction>(WriteAsync, clock, logger);
    }

    private string SnapshotPath => path + ".index";

    /// <summary>Opens or creates <c>interactions.log</c> in the folder.</summary>
    public static FilesInteractions Open(string folder, FilesStoreOptions options, TimeProvider clock, ILogger logger) =>
        new(Path.Combine(folder, "interactions.log"), options, clock, logger);

    public ValueTask AppendAsync(Interaction interaction, CancellationToken cancellationToken) =>
        queue.AppendAsync(interaction, cancellationToken);

    public ValueTask FlushAsync(CancellationToken cancellationToken) => queue.FlushAsync(cancellationToken);

    public Interaction? Get(string id) => Reading(() => index.Find(id) is { } entry ? Read(entry) : null);

    public async IAsyncEnumerable<LoggedInteraction> ReadAsync(long after, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var last = index.LastSequence;
        while (ReadPage(after, last) is { Count: > 0 } page)
        {
            foreach (var logged in page)
            {
                cancellationToken.ThrowIfCancellationRequested();
                yield return logged;
            }

            after = page[^1].Sequence;
            await Task.Yield();
        }
    }

    public IReadOnlyList<LoggedInteraction> List(InteractionQuery query)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(query.Limit, 1);
        return Reading(() =>
        {
            var found = new List<LoggedInteraction>();
            var rest = query;
            while (index.Select(rest) is { Count: > 0 } entries)
            {
                found.AddRange(entries
                    .Select(entry => new LoggedInteraction(entry.Sequence, Read(entry)))
                    .Where(logged => query.User is null || logged.Interaction.User == query.User));
                if (found.Count >= query.Limit || entries.Count < rest.Limit)
                {
                    break;
                }

                // Another user with the same hint stood in the way.
                rest = rest with { Before = entries[^1].Sequence };
            }

            return found.Take(query.Limit).ToList();
        });
    }

    /// <summary>Overwrites the records on the disk; durable when the task completes.</summary>
    public Task<int> EraseAsync(IReadOnlyList<Interaction> interactions, CancellationToken cancellationToken) =>
        Task.Run(() => Erase(interactions), cancellationToken);

    /// <summary>Writes what is queued and the snapshot, and closes the log.</summary>
    public async ValueTask DisposeAsync()
    {
        await queue.DisposeAsync().ConfigureAwait(false);
        if (sinceSnapshot > 0)
        {
            SaveSnapshot();
        }

        log.Dispose();
        layout.Dispose();
    }

    /// <summary>The log with its index: the snapshot's, when its last entry is a record of this log, and what follows it.</summary>
    private LogFile OpenLog()
    {
        if (File.Exists(path) && IndexSnapshot.Load(SnapshotPath, index) is { } covered && IsOfThisLog(covered))
        {
            garbage = covered.Garbage;
            return LogFile.Open(path, Remember, clock, logger, covered.LogLength);
        }

        index = new InteractionIndex();
        return LogFile.Open(path, Remember, clock, logger);
    }

    private bool IsOfThisLog(IndexSnapshot.Coverage covered)
    {
        using var handle = File.OpenHandle(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        var length = RandomAccess.GetLength(handle);
        if (covered.LogLength > length || index.Live == 0
            || index.Select(new InteractionQuery { Limit = 1 }) is not [var last])
        {
            return false;
        }

        using var scanner = new LogScanner(handle, length);
        return scanner.TryReadFrame(last.Address, out var frame)
            && last.Address + frame.Length <= covered.LogLength
            && InteractionRecord.Read(frame[LogFrame.HeaderSize..]) is { IsErased: false } record
            && index.Find(record.Id) is { } found && found.Address == last.Address;
    }

    /// <summary>The writer of <see cref="queue"/>: numbers the new records of the group, makes them durable, then visible.</summary>
    private Task WriteAsync(IReadOnlyList<Interaction> group)
    {
        lock (writing)
        {
            var fresh = group.DistinctBy(interaction => interaction.Id, StringComparer.Ordinal).Where(interaction => !index.Contains(interaction.Id)).ToList();
            if (fresh.Count > 0)
            {
                var first = index.LastSequence + 1;
                var addresses = new long[fresh.Count];
                log.Append(Write(first, fresh), addresses);
                for (var i = 0; i < fresh.Count; i++)
                {
                    index.Add(first + i, addresses[i], fresh[i].Id, fresh[i].Deployment, fresh[i].User, fresh[i].Flags.Count > 0);
                }

                sinceSnapshot += fresh.Count;
                if (sinceSnapshot >= SnapshotEvery)
                {
                    SaveSnapshot();
                }
            }
        }

        return Task.CompletedTask;
    }

    private List<ReadOnlyMemory<byte>> Write(long first, List<Interaction> fresh)
    {
        records.Clear();
        var ends = new int[fresh.Count];
        for (var i = 0; i < fresh.Count; i++)
        {
            InteractionRecord.Write(records, first + i, fresh[i]);
            ends[i] = records.Written.Length;
        }

        var written = records.Written;
        return [.. ends.Select((end, i) => written[(i == 0 ? 0 : ends[i - 1])..end])];
    }

    private int Erase(IReadOnlyList<Interaction> interactions)
    {
        lock (writing)
        {
            var entries = interactions.Select(interaction => index.Find(interaction.Id)).OfType<InteractionEntry>().DistinctBy(entry => entry.Address).ToList();
            if (entries.Count == 0)
            {
                return 0;
            }

            // The snapshot would bring the entries back.
            IndexSnapshot.Delete(SnapshotPath);
            sinceSnapshot = Math.Max(1, sinceSnapshot);
            layout.EnterWriteLock();
            try
            {
                garbage += entries.Sum(entry => LogFrame.HeaderSize + (long)log.Read(entry.Address).Length);
                log.Erase([.. entries.Select(entry => entry.Address)]);
                entries.ForEach(index.Erase);
            }
            finally
            {
                layout.ExitWriteLock();
            }

            if (garbage > Math.Max(options.CompactionThreshold, log.Length / 2))
            {
                Rewrite();
            }

            return entries.Count;
        }
    }

    /// <summary>
    /// Copies what is not erased to a new file and renames it over the log. Appends wait meanwhile, reads do not. A crash
    /// before the rename leaves the old log in force, which holds nothing that was erased.
    /// </summary>
    private void Rewrite()
    {
        File.Delete(path + ".next");
        var next = LogFile.Open(path + ".next", (_, _) => { }, clock, logger);
        var copy = new InteractionIndex();
        foreach (var deployment in index.Deployments)
        {
            copy.NumberOf(deployment);
        }

        try
        {
            var addresses = new long[RewriteRecords];
            for (var after = 0L; index.After(after, long.MaxValue, RewriteRecords) is { Count: > 0 } entries; after = entries[^1].Sequence)
            {
                next.Append([.. entries.Select(entry => log.Read(entry.Address))], addresses);
                copy.Add([.. entries.Select((entry, i) => entry with { Address = addresses[i] })]);
            }

            copy.Skip(index.LastSequence);
            File.Move(path + ".next", path, overwrite: true);
        }
        catch
        {
            next.Dispose();
            throw;
        }

        logger.LogInformation("{Path} rewritten: {Before} bytes before, {After} after.", path, log.Length, next.Length);
        layout.EnterWriteLock();
        try
        {
            log.Dispose();
            (log, index, garbage) = (next, copy, 0);
        }
        finally
        {
            layout.ExitWriteLock();
        }

        DurableFiles.FlushFolder(Path.GetDirectoryName(path)!);
        SaveSnapshot();
    }

    private void SaveSnapshot()
    {
        try
        {
            IndexSnapshot.Save(SnapshotPath, index, new(log.Length, garbage));
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            logger.LogWarning(failure, "{Path} could not be written; the next start reads the whole log.", SnapshotPath);
        }

        sinceSnapshot = 0;
    }

    private void Remember(long address, ReadOnlySpan<byte> payload)
    {
        var record = InteractionRecord.Read(payload);
        sinceSnapshot++;
        if (record.IsErased)
        {
            garbage += LogFrame.HeaderSize + payload.Length;
            index.Skip(record.Sequence);
        }
        else
        {
            index.Add(record.Sequence, address, record.Id, record.Deployment, record.User, record.Flagged);
        }
    }

    private List<LoggedInteraction> ReadPage(long after, long last) => Reading(
        () => index.After(after, last, ReadAhead).ConvertAll(entry => new LoggedInteraction(entry.Sequence, Read(entry))));

    private T Reading<T>(Func<T> read)
    {
        layout.EnterReadLock();
        try
        {
            return read();
        }
        finally
        {
            layout.ExitReadLock();
        }
    }

    private Interaction Read(InteractionEntry entry) =>
        PackedInteraction.Unpack(InteractionRecord.Read(log.Read(entry.Address).Span).Json);
}
