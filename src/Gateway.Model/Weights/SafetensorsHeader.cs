using System.Text.Json;

namespace Gateway.Model.Weights;

/// <summary>Parses the JSON header of a safetensors file and proves that its tensors tile the data section exactly.</summary>
internal static class SafetensorsHeader
{
    /// <summary>Largest header the format allows, in bytes.</summary>
    public const long MaximumBytes = 100_000_000;

    private static readonly JsonDocumentOptions Strict = new() { AllowDuplicateProperties = false };

    /// <summary>Reads the header; <paramref name="path"/> is only named in messages.</summary>
    /// <exception cref="ModelFormatException">The header breaks a rule of the format.</exception>
    public static (Dictionary<string, TensorEntry> Tensors, Dictionary<string, string> Metadata) Parse(
        ReadOnlyMemory<byte> json, long dataBytes, string path)
    {
        if (json.IsEmpty || json.Span[0] != (byte)'{')
        {
            throw Broken(path, "the header does not start with '{'");
        }

        try
        {
            using var document = JsonDocument.Parse(json, Strict);
            var metadata = new Dictionary<string, string>(StringComparer.Ordinal);
            var tensors = new Dictionary<string, TensorEntry>(StringComparer.Ordinal);
            foreach (var property in document.RootElement.EnumerateObject())
            {
                if (property.NameEquals("__metadata__"))
                {
                    foreach (var item in property.Value.EnumerateObject())
                    {
                        metadata.Add(item.Name, item.Value.GetString() ?? throw Broken(path, $"metadata '{item.Name}' is null"));
                    }
                }
                else
                {
                    tensors.Add(property.Name, ParseEntry(property.Name, property.Value, path));
                }
            }

            RequireTiling(tensors.Values, dataBytes, path);
            return (tensors, metadata);
        }
        catch (Exception exception) when (exception is JsonException or InvalidOperationException or KeyNotFoundException or FormatException)
        {
            throw new ModelFormatException($"'{path}' is not a safetensors file: its header is not valid ({exception.Message}). Download or export the file again.", exception);
        }
    }

    private static TensorEntry ParseEntry(string name, JsonElement value, string path)
    {
        foreach (var field in value.EnumerateObject())
        {
            if (field.Name is not ("dtype" or "shape" or "data_offsets"))
            {
                throw Broken(path, $"tensor '{name}' has an unknown field '{field.Name}'");
            }
        }

        var typeName = value.GetProperty("dtype").GetString();
        if (!Enum.TryParse<TensorType>(typeName, out var type) || !string.Equals(type.ToString(), typeName, StringComparison.Ordinal))
        {
            throw Broken(path, $"tensor '{name}' has the unsupported dtype '{typeName}'");
        }

        var shape = new List<long>();
        var bytes = (UInt128)TensorEntry.SizeOf(type);
        foreach (var dimension in value.GetProperty("shape").EnumerateArray())
        {
            if (!dimension.TryGetInt64(out var size) || size < 0)
            {
                throw Broken(path, $"tensor '{name}' has an illegal dimension {dimension.GetRawText()}");
            }

            // Each factor is below 2^63 and the running product below 2^64, so 128 bits never wrap.
            bytes *= (UInt128)size;
            if (bytes > long.MaxValue)
            {
                throw Broken(path, $"the shape of tensor '{name}' overflows");
            }

            shape.Add(size);
        }

        var offsets = value.GetProperty("data_offsets");
        if (offsets.GetArrayLength() != 2
            || !offsets[0].TryGetInt64(out var begin) || !offsets[1].TryGetInt64(out var end) || begin < 0 || end < begin)
        {
            throw Broken(path, $"tensor '{name}' has illegal data_offsets {offsets.GetRawText()}");
        }

        if ((UInt128)(end - begin) != bytes)
        {
            throw Broken(path, $"tensor '{name}' spans {end - begin} bytes but its shape needs {bytes}");
        }

        return new TensorEntry(name, type, shape, begin, end - begin);
    }

    private static void RequireTiling(IEnumerable<TensorEntry> tensors, long dataBytes, string path)
    {
        var next = 0L;
        foreach (var tensor in tensors.OrderBy(tensor => tensor.Offset).ThenBy(tensor => tensor.ByteLength))
        {
            if (tensor.Offset != next)
            {
                var fault = tensor.Offset < next ? "overlaps another tensor" : "leaves a hole before it";
                throw Broken(path, $"tensor '{tensor.Name}' {fault}");
            }

            if (tensor.ByteLength > dataBytes - next)
            {
                throw Broken(path, $"tensor '{tensor.Name}' reaches beyond the end of the file (truncated download?)");
            }

            next += tensor.ByteLength;
        }

        if (next != dataBytes)
        {
            throw Broken(path, $"{dataBytes - next} bytes after the last tensor belong to nothing");
        }
    }

    private static ModelFormatException Broken(string path, string fault)
        => new($"'{path}' is not a valid safetensors file: {fault}. Download or export the file again.");
}
