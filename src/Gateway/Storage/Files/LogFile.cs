using System.Buffers;
using Microsoft.Win32.SafeHandles;

namespace Gateway.Storage.Files;

/// <summary>Gets each intact record of a log, in order, with its address.</summary>
internal delegate void LogRecordHandler(long address, ReadOnlySpan<byte> payload);

/// <summary>
/// An append-only file of checksummed records. <see cref="Append"/> returns after fsync; a failed append leaves no trace,
/// because the next one first cuts the file back to its durable length and rewrites from there. One writer at a time;
/// <see cref="Read"/> from any thread. Records can be erased in place: the addresses are durable in a journal beside the log
/// before the first byte is overwritten, so that a crash in the middle is finished at the next start and is not taken for
/// damage.
/// </summary>
internal sealed class LogFile : IDisposable
{
    private static ReadOnlySpan<byte> Magic => "gatelog1"u8;

    private readonly string path;
    private readonly SafeFileHandle handle;
    private readonly TimeProvider clock;
    private readonly ArrayBufferWriter<byte> group = new();
    private bool cutFirst;

    private LogFile(string path, SafeFileHandle handle, TimeProvider clock)
    {
        this.path = path;
        this.handle = handle;
        this.clock = clock;
    }

    /// <summary>Bytes that are durable; also the address of the next record.</summary>
    public long Length { get; private set; }

    /// <summary>Opens or creates the log and hands every record to <paramref name="onRecord"/>; a torn tail is cut with a warning.</summary>
    /// <param name="path">The file.</param>
    /// <param name="onRecord">Gets each record.</param>
    /// <param name="clock">Measures commits.</param>
    /// <param name="logger">Gets the bytes cut.</param>
    /// <param name="from">An address that a record is known to begin at, to read from there only; 0 reads all.</param>
    /// <exception cref="StoreUnavailableException">The file is not a log or is damaged before its tail.</exception>
    public static LogFile Open(string path, LogRecordHandler onRecord, TimeProvider clock, ILogger logger, long from = 0)
    {
        var handle = File.OpenHandle(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.Read | FileShare.Delete);
        var log = new LogFile(path, handle, clock);
        try
        {
            log.FinishErasing();
            log.Recover(onRecord, logger, from);
            return log;
        }
        catch
        {
            log.Dispose();
            throw;
        }
    }

    /// <summary>Writes one group of records, makes it durable, and puts their addresses into <paramref name="addresses"/>.</summary>
    public void Append(IReadOnlyList<ReadOnlyMemory<byte>> payloads, Span<long> addresses)
    {
        var started = clock.GetTimestamp();
        group.ResetWrittenCount();
        for (var i = 0; i < payloads.Count; i++)
        {
            addresses[i] = Length + group.WrittenCount;
            var size = LogFrame.HeaderSize + payloads[i].Length;
            LogFrame.Write(group.GetSpan(size), payloads[i].Span, Length);
            group.Advance(size);
        }

        if (cutFirst)
        {
            RandomAccess.SetLength(handle, Length);
        }

        cutFirst = true;
        RandomAccess.Write(handle, group.WrittenSpan, Length);
        RandomAccess.FlushToDisk(handle);
        cutFirst = false;
        Length += group.WrittenCount;
        StorageMetrics.Committed(clock.GetElapsedTime(started), payloads.Count);
    }

    /// <summary>The payload of the record at an address that <see cref="Append"/> or recovery gave.</summary>
    public ReadOnlyMemory<byte> Read(long address)
    {
        Span<byte> head = stackalloc byte[LogFrame.HeaderSize];
        ReadFully(head, address);
        var frame = new byte[LogFrame.HeaderSize + LogFrame.PayloadLength(head)];
        ReadFully(frame, address);
        if (!LogFrame.IsIntact(frame))
        {
            throw Damaged(address);
        }

        return frame.AsMemory(LogFrame.HeaderSize);
    }

    /// <summary>
    /// Overwrites records on the disk, all but the first <see cref="LogFrame.KeptWhenErased"/> bytes of each payload; durable
    /// when it returns. Nobody may read them meanwhile.
    /// </summary>
    public void Erase(IReadOnlyCollection<long> addresses)
    {
        var journal = new RecordWriter();
        foreach (var address in addresses)
        {
            journal.Int64(address);
        }

        var frame = new byte[LogFrame.HeaderSize + journal.Written.Length];
        LogFrame.Write(frame, journal.Written.Span, Length);
        using (var file = new FileStream(JournalPath, FileMode.Create, FileAccess.Write))
        {
            file.Write(frame);
            file.Flush(flushToDisk: true);
        }

        DurableFiles.FlushFolder(Path.GetDirectoryName(path)!);
        FinishErasing();
    }

    /// <inheritdoc/>
    public void Dispose() => handle.Dispose();

    private string JournalPath => path + ".erase";

    /// <summary>Does what the journal says and removes it. A journal that is not whole was never acted on.</summary>
    private void FinishErasing()
    {
        if (!File.Exists(JournalPath))
        {
            return;
        }

        var journal = File.ReadAllBytes(JournalPath);
        if (journal.Length > LogFrame.HeaderSize && LogFrame.PayloadLength(journal) == journal.Length - LogFrame.HeaderSize && LogFrame.IsIntact(journal))
        {
            var reader = new RecordReader(journal.AsSpan(LogFrame.HeaderSize));
            while (!reader.AtEnd)
            {
                EraseAt(reader.Int64());
            }

            RandomAccess.FlushToDisk(handle);
        }

        File.Delete(JournalPath);
        DurableFiles.FlushFolder(Path.GetDirectoryName(path)!);
    }

    private void EraseAt(long address)
    {
        Span<byte> head = stackalloc byte[LogFrame.HeaderSize];
        ReadFully(head, address);
        var frame = new byte[LogFrame.HeaderSize + LogFrame.PayloadLength(head)];
        ReadFully(frame, address);
        LogFrame.Erase(frame);
        RandomAccess.Write(handle, frame, address);
    }

    private void Recover(LogRecordHandler onRecord, ILogger logger, long from)
    {
        var fileLength = RandomAccess.GetLength(handle);
        if (fileLength < Magic.Length)
        {
            RandomAccess.Write(handle, Magic, 0);
            RandomAccess.FlushToDisk(handle);
            DurableFiles.FlushFolder(Path.GetDirectoryName(path)!);
            Length = Magic.Length;
            return;
        }

        using var scanner = new LogScanner(handle, fileLength);
        if (!scanner.TryPeek(0, Magic.Length, out var magic) || !magic.SequenceEqual(Magic))
        {
            throw new StoreUnavailableException($"{path} is not a log of this program: move it away or pass --data with another folder");
        }

        var address = Math.Max(Magic.Length, from);
        while (scanner.TryReadFrame(address, out var frame))
        {
            onRecord(address, frame[LogFrame.HeaderSize..]);
            address += frame.Length;
        }

        if (address < fileLength)
        {
            if (scanner.HasRecordWrittenAfter(address))
            {
                throw Damaged(address);
            }

            logger.LogWarning(
                "{Path} ends in the middle of a write that was never acknowledged: {Bytes} bytes cut at {Address}.", path, fileLength - address, address);
            RandomAccess.SetLength(handle, address);
            RandomAccess.FlushToDisk(handle);
        }

        Length = address;
    }

    private StoreUnavailableException Damaged(long address) =>
        new($"{path} is damaged at byte {address} although later records are intact: restore the data folder from a backup or check the disk");

    private void ReadFully(Span<byte> target, long address)
    {
        while (!target.IsEmpty)
        {
            var read = RandomAccess.Read(handle, target, address);
            if (read == 0)
            {
                throw Damaged(address);
            }

            target = target[read..];
            address += read;
        }
    }
}
