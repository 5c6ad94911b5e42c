using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;

namespace Gateway.Model.Weights;

/// <summary>
/// Packed weights on disk, so that the next start reads what this one computed: a header with the SHA-256 of every 16 MiB,
/// then the bytes as they lie in memory. A file that does not match in every respect is ignored and written again.
/// </summary>
internal static unsafe class PackedWeightsFile
{
    /// <summary>Changes whenever the layout of any packed format does.</summary>
    private const int LayoutVersion = 1;

    private const long PartBytes = 16 << 20;
    private const int DigestBytes = 32;

    private static readonly byte[] s_magic = Encoding.ASCII.GetBytes("gateway packed weights\n");

    /// <summary>The file of a base model in a format.</summary>
    public static string PathFor(string directory, string fingerprint, WeightFormat format) => Path.Combine(directory, $"{fingerprint}-{format.Name()}");

    /// <summary>Fills <paramref name="target"/> on all processors; false when the file is missing, foreign or damaged.</summary>
    public static bool TryRead(string path, byte* target, long bytes)
    {
        try
        {
            using var file = File.OpenHandle(path);
            var header = new byte[HeaderBytes(bytes)];
            if (RandomAccess.GetLength(file) != header.Length + bytes || RandomAccess.Read(file, header, 0) != header.Length || !IsHeader(header, bytes))
            {
                return false;
            }

            var intact = true;
            Parallel.For(0, Parts(bytes), part =>
            {
                var start = part * PartBytes;
                var span = new Span<byte>(target + start, (int)Math.Min(PartBytes, bytes - start));
                var read = 0;
                for (int count; read < span.Length && (count = RandomAccess.Read(file, span[read..], header.Length + start + read)) > 0;)
                {
                    read += count;
                }

                if (read < span.Length || !SHA256.HashData(span).AsSpan().SequenceEqual(Digest(header, part)))
                {
                    Volatile.Write(ref intact, false);
                }
            });
            return intact;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }

    /// <summary>Writes the file, whole or not at all.</summary>
    /// <exception cref="IOException">The directory cannot be written.</exception>
    public static void Write(string path, byte* source, long bytes)
    {
        var header = new byte[HeaderBytes(bytes)];
        s_magic.CopyTo(header, 0);
        BinaryPrimitives.WriteInt32LittleEndian(header.AsSpan(s_magic.Length), LayoutVersion);
        BinaryPrimitives.WriteInt64LittleEndian(header.AsSpan(s_magic.Length + sizeof(int)), bytes);
        Parallel.For(0, Parts(bytes), part =>
        {
            var start = part * PartBytes;
            SHA256.HashData(new ReadOnlySpan<byte>(source + start, (int)Math.Min(PartBytes, bytes - start)), Digest(header, part));
        });

        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        DurableFile.Write(path, stream =>
        {
            stream.Write(header);
            for (var start = 0L; start < bytes; start += PartBytes)
            {
                stream.Write(new ReadOnlySpan<byte>(source + start, (int)Math.Min(PartBytes, bytes - start)));
            }
        });
    }

    private static int Parts(long bytes) => (int)((bytes + PartBytes - 1) / PartBytes);

    private static int HeaderBytes(long bytes) => s_magic.Length + sizeof(int) + sizeof(long) + (Parts(bytes) * DigestBytes);

    private static Span<byte> Digest(byte[] header, int part) => header.AsSpan(s_magic.Length + sizeof(int) + sizeof(long) + (part * DigestBytes), DigestBytes);

    private static bool IsHeader(byte[] header, long bytes) =>
        header.AsSpan(0, s_magic.Length).SequenceEqual(s_magic)
        && BinaryPrimitives.ReadInt32LittleEndian(header.AsSpan(s_magic.Length)) == LayoutVersion
        && BinaryPrimitives.ReadInt64LittleEndian(header.AsSpan(s_magic.Length + sizeof(int))) == bytes;
}
