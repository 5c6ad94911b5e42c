using System.Buffers.Binary;
using System.Text.Json;

namespace Gateway.Domain.Json;

/// <summary>Reads and writes 64-bit hashes as one base64 string, 8 big-endian bytes each.</summary>
internal static class PackedHashes
{
    public static ulong[] Read(ref Utf8JsonReader reader)
    {
        var bytes = reader.GetBytesFromBase64();
        if (bytes.Length % 8 != 0)
        {
            throw new JsonException("Packed hashes take 8 bytes each.");
        }

        var hashes = new ulong[bytes.Length / 8];
        for (var i = 0; i < hashes.Length; i++)
        {
            hashes[i] = BinaryPrimitives.ReadUInt64BigEndian(bytes.AsSpan(i * 8));
        }

        return hashes;
    }

    public static void Write(Utf8JsonWriter writer, IReadOnlyCollection<ulong> hashes)
    {
        var bytes = new byte[hashes.Count * 8];
        var position = 0;
        foreach (var hash in hashes)
        {
            BinaryPrimitives.WriteUInt64BigEndian(bytes.AsSpan(position), hash);
            position += 8;
        }

        writer.WriteBase64StringValue(bytes);
    }
}
