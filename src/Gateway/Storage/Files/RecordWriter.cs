using System.Buffers;
using System.Buffers.Binary;

namespace Gateway.Storage.Files;

/// <summary>Builds the payload of one log record: little-endian integers, strings and byte blocks with a length before them.</summary>
internal sealed class RecordWriter(int capacity = 256)
{
    private readonly ArrayBufferWriter<byte> buffer = new(capacity);

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
