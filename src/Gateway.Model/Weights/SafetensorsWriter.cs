using System.Buffers;
using System.Buffers.Binary;
using System.Text.Json;
using Gateway.Model.Numerics;

namespace Gateway.Model.Weights;

/// <summary>Element types this project writes.</summary>
public enum SavedType
{
    /// <summary>32-bit float: exact.</summary>
    F32,

    /// <summary>Bfloat16, rounded to nearest even: half the size.</summary>
    BF16,
}

/// <summary>One tensor to write: f32 values of the given shape, owned by the caller.</summary>
public sealed record TensorToSave(string Name, IReadOnlyList<int> Shape, Matrix Values);

/// <summary>Writes safetensors files: names sorted, header aligned to 8 bytes, durable before it becomes visible.</summary>
public static class SafetensorsWriter
{
    private const int ChunkValues = 1 << 16;

    /// <summary>Writes the tensors to <paramref name="path"/> through a temporary file, fsync and rename.</summary>
    /// <exception cref="ModelFormatException">A value is NaN or infinite, or becomes so in the narrower type.</exception>
    public static void Write(string path, IEnumerable<TensorToSave> tensors, SavedType type)
    {
        var sorted = tensors.OrderBy(tensor => tensor.Name, StringComparer.Ordinal).ToList();
        var header = Header(sorted, type);
        DurableFile.Write(path, stream =>
        {
            Span<byte> length = stackalloc byte[8];
            BinaryPrimitives.WriteUInt64LittleEndian(length, (ulong)header.Length);
            stream.Write(length);
            stream.Write(header);
            var chunk = new byte[ChunkValues * 4];
            foreach (var tensor in sorted)
            {
                WriteValues(stream, tensor, type, chunk);
            }
        });
    }

    private static byte[] Header(List<TensorToSave> tensors, SavedType type)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartObject();
            json.WriteStartObject("__metadata__");
            json.WriteString("format", "pt");
            json.WriteEndObject();
            var offset = 0L;
            foreach (var tensor in tensors)
            {
                var end = offset + ((long)tensor.Values.Rows * tensor.Values.Columns * (type == SavedType.F32 ? 4 : 2));
                json.WriteStartObject(tensor.Name);
                json.WriteString("dtype", type.ToString());
                json.WriteStartArray("shape");
                foreach (var size in tensor.Shape)
                {
                    json.WriteNumberValue(size);
                }

                json.WriteEndArray();
                json.WriteStartArray("data_offsets");
                json.WriteNumberValue(offset);
                json.WriteNumberValue(end);
                json.WriteEndArray();
                json.WriteEndObject();
                offset = end;
            }

            json.WriteEndObject();
        }

        var padded = new byte[(buffer.WrittenCount + 7) / 8 * 8];
        padded.AsSpan().Fill((byte)' ');
        buffer.WrittenSpan.CopyTo(padded);
        return padded;
    }

    private static unsafe void WriteValues(Stream stream, TensorToSave tensor, SavedType type, byte[] chunk)
    {
        var count = (long)tensor.Values.Rows * tensor.Values.Columns;
        for (var start = 0L; start < count; start += ChunkValues)
        {
            var values = new ReadOnlySpan<float>(tensor.Values.Data + start, (int)Math.Min(ChunkValues, count - start));
            var size = type == SavedType.F32 ? 4 : 2;
            for (var i = 0; i < values.Length; i++)
            {
                var target = chunk.AsSpan(i * size);
                var saved = type == SavedType.F32 ? values[i] : Bfloat16Matrix.ToSingle(Bfloat16Matrix.FromSingle(values[i]));
                if (!float.IsFinite(values[i]) || !float.IsFinite(saved))
                {
                    throw new ModelFormatException($"tensor '{tensor.Name}' contains NaN or infinity and is not saved; lower the learning rate and train again.");
                }

                if (type == SavedType.F32)
                {
                    BinaryPrimitives.WriteSingleLittleEndian(target, saved);
                }
                else
                {
                    BinaryPrimitives.WriteUInt16LittleEndian(target, Bfloat16Matrix.FromSingle(saved));
                }
            }

            stream.Write(chunk.AsSpan(0, values.Length * size));
        }
    }
}
