using System.Runtime.CompilerServices;
using Gateway.Domain.Interactions;
using Gateway.Domain.Storage;

namespace Gateway.Storage.Files;

/// <summary>
/// Interactions of the embedded store: an append-only log, and an index in memory that is rebuilt from the first bytes of
/// each record. An id that is appended again is ignored, so that a replay is harmless.
/// </summary>
internal sealed class FilesInteractions : IAsyncDisposable
{
    private const int ReadAhead = 256;
    private readonly InteractionIndex index = new();
    private readonly LogFile log;
    private readonly AppendQueue<Interaction> queue;

    private FilesInteractions(string path, TimeProvider clock, ILogger logger)
    {
        log = LogFile.Open(path, Remember, clock, logger);
        queue = new AppendQueue<Interaction>(WriteAsync, clock, logger);
    }

    /// <summary>Opens or creates <c>interactions.log</c> in the folder.</summary>
    public static FilesInteractions Open(string folder, TimeProvider clock, ILogger logger) =>
        new(Path.Combine(folder, "interactions.log"), clock, logger);

    public ValueTask AppendAsync(Interaction interaction, CancellationToken cancellationToken) =>
        queue.AppendAsync(interaction, cancellationToken);

    public ValueTask FlushAsync(CancellationToken cancellationToken) => queue.FlushAsync(cancellationToken);

    public Interaction? Get(string id) => index.Find(id) is { } address ? Read(address) : null;

    public async IAsyncEnumerable<LoggedInteraction> ReadAsync(long after, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var last = index.LastSequence;
        while (index.After(after, last, ReadAhead) is { Count: > 0 } entries)
        {
            foreach (var entry in entries)
            {
                cancellationToken.ThrowIfCancellationRequested();
                yield return new LoggedInteraction(entry.Sequence, Read(entry.Address));
            }

            after = entries[^1].Sequence;
            await Task.Yield();
        }
    }

    public IReadOnlyList<LoggedInteraction> List(InteractionQuery query)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(query.Limit, 1);
        return index.Select(query).ConvertAll(entry => new LoggedInteraction(entry.Sequence, Read(entry.Address)));
    }

    /// <summary>Writes what is queued and closes the log.</summary>
    public async ValueTask DisposeAsync()
    {
        await queue.DisposeAsync().ConfigureAwait(false);
        log.Dispose();
    }

    /// <summary>The writer of <see cref="queue"/>: numbers the new records of the group, makes them durable, then visible.</summary>
    private Task WriteAsync(IReadOnlyList<Interaction> group)
    {
        var fresh = group.DistinctBy(interaction => interaction.Id, StringComparer.Ordinal)
            .Where(interaction => !index.Contains(interaction.Id))
            .Select(PackedInteraction.Pack)
            .ToList();
        if (fresh.Count == 0)
        {
            return Task.CompletedTask;
        }

        var first = index.LastSequence + 1;
        var addresses = new long[fresh.Count];
        log.Append([.. fresh.Select((packed, i) => ToRecord(first + i, packed))], addresses);
        for (var i = 0; i < fresh.Count; i++)
        {
            index.Add(first + i, addresses[i], fresh[i].Id, fresh[i].Deployment, fresh[i].Flagged);
        }

        return Task.CompletedTask;
    }

    private static ReadOnlyMemory<byte> ToRecord(long sequence, PackedInteraction packed) =>
        new RecordWriter()
            .Int64(sequence)
            .Byte(packed.Flagged ? (byte)1 : (byte)0)
            .String(packed.Id)
            .String(packed.Deployment)
            .Bytes(packed.Json)
            .Written;

    private void Remember(long address, ReadOnlySpan<byte> payload)
    {
        var reader = new RecordReader(payload);
        var (sequence, flagged) = (reader.Int64(), reader.Byte() == 1);
        index.Add(sequence, address, reader.String(), reader.String(), flagged);
    }

    private Interaction Read(long address)
    {
        var reader = new RecordReader(log.Read(address).Span);
        _ = (reader.Int64(), reader.Byte(), reader.Bytes().Length, reader.Bytes().Length);
        return PackedInteraction.Unpack(reader.Bytes());
    }
}
