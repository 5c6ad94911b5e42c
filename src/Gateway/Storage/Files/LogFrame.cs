using System.Buffers.Binary;
using System.Numerics;
using System.Runtime.InteropServices;

namespace Gateway.Storage.Files;

/// <summary>
/// A record in a log file: u32 payload length, u32 CRC-32C, u64 durable length, payload; little-endian. The durable length is
/// how far the file was known to be on the disk when the frame was written: a broken frame before that point was acknowledged,
/// so it is damage; a broken frame behind every such point is a write cut short.
/// </summary>
internal static class LogFrame
{
    public const int HeaderSize = 16;

    /// <summary>Bytes that an erased record keeps of its payload.</summary>
    public const int KeptWhenErased = 8;

    /// <summary>Whole frame: overwrites all but the first bytes of the payload with zeros and makes the checksum right again.</summary>
    public static void Erase(Span<byte> frame)
    {
        frame[(HeaderSize + KeptWhenErased)..].Clear();
        BinaryPrimitives.WriteUInt32LittleEndian(frame[4..], Checksum(frame));
    }

    /// <summary>Writes the frame to <paramref name="target"/>, which has room for header and payload.</summary>
    public static void Write(Span<byte> target, ReadOnlySpan<byte> payload, long durable)
    {
        BinaryPrimitives.WriteInt32LittleEndian(target, payload.Length);
        BinaryPrimitives.WriteInt64LittleEndian(target[8..], durable);
        payload.CopyTo(target[HeaderSize..]);
        BinaryPrimitives.WriteUInt32LittleEndian(target[4..], Checksum(target[..(HeaderSize + payload.Length)]));
    }

    public static int PayloadLength(ReadOnlySpan<byte> header) => BinaryPrimitives.ReadInt32LittleEndian(header);

    public static long DurableLength(ReadOnlySpan<byte> header) => BinaryPrimitives.ReadInt64LittleEndian(header[8..]);

    /// <summary>True when the checksum of a whole frame is right.</summary>
    public static bool IsIntact(ReadOnlySpan<byte> frame) =>
        BinaryPrimitives.ReadUInt32LittleEndian(frame[4..]) == Checksum(frame);

    private static uint Checksum(ReadOnlySpan<byte> frame)
    {
        var checksum = BitOperations.Crc32C(uint.MaxValue, BinaryPrimitives.ReadUInt32LittleEndian(frame));
        var rest = frame[8..];
        var words = MemoryMarshal.Cast<byte, ulong>(rest);
        foreach (var word in words)
        {
            checksum = BitOperations.Crc32C(checksum, word);
        }

        foreach (var last in rest[(words.Length * sizeof(ulong))..])
        {
            checksum = BitOperations.Crc32C(checksum, last);
        }

        return ~checksum;
    }
}
