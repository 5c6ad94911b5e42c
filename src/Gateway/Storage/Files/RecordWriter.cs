using System.Buffers;
using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;

namespace Gateway.Storage.Files;

/// <summary>Builds the payload of one log record: little-endian integers, strings and byte blocks with a length before them.</summary>
internal sealed class RecordWriter
{
    private const int KeptBytes = 4 << 20;

    private ArrayBufferWriter<byte> buffer = new(256);
    private Utf8JsonWriter? json;

    /// <summary>What has been written.</summary>
    public ReadOnlyMemory<byte> Written => buffer.WrittenMemory;

    public RecordWriter Byte(byte value)
    {
        buffer.GetSpan(1)[0] = value;
        buffer.Advance(1);
        return this;
    }

    public RecordWriter Int64(long value)
    {
        BinaryPrimitives.WriteInt64LittleEndian(buffer.GetSpan(8), value);
        buffer.Advance(8);
        return this;
    }

    public RecordWriter String(string value)
    {
        var length = DocumentWrites.Utf8.GetByteCount(value);
        Int32(length);
        DocumentWrites.Utf8.GetBytes(value, buffer.GetSpan(length));
        buffer.Advance(length);
        return this;
    }

    public RecordWriter Bytes(ReadOnlySpan<byte> value)
    {
        Int32(value.Length);
        buffer.Write(value);
        return this;
    }

    /// <summary>A byte block of JSON.</summary>
    public RecordWriter Json<T>(T value, JsonTypeInfo<T> type)
    {
        var start = buffer.WrittenCount;
        Int32(0);
        json ??= new Utf8JsonWriter(buffer, new JsonWriterOptions { Encoder = type.Options.Encoder });
        json.Reset(buffer);
        JsonSerializer.Serialize(json, value, type);
        var written = MemoryMarshal.AsMemory(buffer.WrittenMemory).Span[start..];
        BinaryPrimitives.WriteInt32LittleEndian(written, written.Length - sizeof(int));
        return this;
    }

    /// <summary>Begins anew, in the same memory unless that has become very large; what was written before is gone.</summary>
    public void Clear()
    {
        buffer.ResetWrittenCount();
        if (buffer.Capacity > KeptBytes)
        {
            buffer = new(256);
        }
    }

    private void Int32(int value)
    {
        BinaryPrimitives.WriteInt32LittleEndian(buffer.GetSpan(4), value);
        buffer.Advance(4);
    }
}

/// <summary>Reads what <see cref="RecordWriter"/> built; the payload has passed its checksum, so it is well formed.</summary>
internal ref struct RecordReader(ReadOnlySpan<byte> payload)
{
    private ReadOnlySpan<byte> rest = payload;

    public readonly bool AtEnd => rest.IsEmpty;

    public byte Byte() => Take(1)[0];

    public long Int64() => BinaryPrimitives.ReadInt64LittleEndian(Take(8));

    public string String() => DocumentWrites.Utf8.GetString(Bytes());

    public ReadOnlySpan<byte> Bytes() => Take(BinaryPrimitives.ReadInt32LittleEndian(Take(4)));

    private ReadOnlySpan<byte> Take(int count)
    {
        var taken = rest[..count];
        rest = rest[count..];
        return taken;
    }
}
