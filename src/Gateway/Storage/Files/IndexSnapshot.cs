using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Security.Cryptography;

namespace Gateway.Storage.Files;

/// <summary>
/// The index of the interaction log as a file beside it, so that a start reads 40 bytes per interaction instead of the log.
/// It ends in the SHA-256 of what is before it. A snapshot that is missing, broken or of another log costs time only: the
/// index is built from the log, which alone is the truth.
/// </summary>
internal static class IndexSnapshot
{
    private const int ChunkEntries = 4096;
    private static ReadOnlySpan<byte> Magic => "gateidx1"u8;

    /// <summary>What a snapshot covers: the log up to an address, with so many bytes of erased records.</summary>
    internal readonly record struct Coverage(long LogLength, long Garbage);

    /// <summary>Writes the index and replaces an older snapshot; both names are durable in the order in which they matter.</summary>
    public static void Save(string path, InteractionIndex index, Coverage coverage)
    {
        using (var file = new FileStream(path + ".next", FileMode.Create, FileAccess.Write, FileShare.None, 1 << 20))
        using (var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256))
        {
            var head = new RecordWriter().Int64(coverage.LogLength).Int64(coverage.Garbage).Int64(index.LastSequence).Int64(index.Live).Int64(index.Deployments.Count);
            foreach (var deployment in index.Deployments)
            {
                head.String(deployment);
            }

            Write(Magic);
            Span<byte> length = stackalloc byte[sizeof(int)];
            BinaryPrimitives.WriteInt32LittleEndian(length, head.Written.Length);
            Write(length);
            Write(head.Written.Span);
            for (var after = 0L; index.After(after, long.MaxValue, ChunkEntries) is { Count: > 0 } entries; after = entries[^1].Sequence)
            {
                Write(MemoryMarshal.AsBytes(CollectionsMarshal.AsSpan(entries)));
            }

            file.Write(hash.GetHashAndReset());
            file.Flush(flushToDisk: true);

            void Write(ReadOnlySpan<byte> bytes)
            {
                file.Write(bytes);
                hash.AppendData(bytes);
            }
        }

        File.Move(path + ".next", path, overwrite: true);
        DurableFiles.FlushFolder(Path.GetDirectoryName(path)!);
    }

    /// <summary>Removes the snapshot, durably: before anything that it covers changes.</summary>
    public static void Delete(string path)
    {
        if (File.Exists(path))
        {
            File.Delete(path);
            DurableFiles.FlushFolder(Path.GetDirectoryName(path)!);
        }
    }

    /// <summary>Fills an empty index; null when there is no whole snapshot, and then the index is to be thrown away.</summary>
    public static Coverage? Load(string path, InteractionIndex index)
    {
        if (!File.Exists(path))
        {
            return null;
        }

        try
        {
            using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read, 1 << 20);
            using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
            var start = new byte[Magic.Length + sizeof(int)];
            Read(start);
            var headLength = BinaryPrimitives.ReadInt32LittleEndian(start.AsSpan(Magic.Length));
            if (!start.AsSpan().StartsWith(Magic) || headLength < 0 || headLength > file.Length)
            {
                return null;
            }

            var bytes = new byte[headLength];
            Read(bytes);
            var head = new RecordReader(bytes);
            var coverage = new Coverage(head.Int64(), head.Int64());
            index.Skip(head.Int64());
            var (live, deployments) = (head.Int64(), head.Int64());
            for (var i = 0; i < deployments; i++)
            {
                index.NumberOf(head.String());
            }

            var chunk = new InteractionEntry[ChunkEntries];
            for (var left = live; left > 0; left -= ChunkEntries)
            {
                var entries = chunk.AsSpan(0, (int)Math.Min(left, ChunkEntries));
                Read(MemoryMarshal.AsBytes(entries));
                index.Add(entries);
            }

            var expected = hash.GetHashAndReset();
            var found = new byte[expected.Length];
            file.ReadExactly(found);
            return found.AsSpan().SequenceEqual(expected) && file.Position == file.Length ? coverage : null;

            void Read(Span<byte> target)
            {
                file.ReadExactly(target);
                hash.AppendData(target);
            }
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException or ArgumentException or OverflowException)
        {
            return null;
        }
    }
}
