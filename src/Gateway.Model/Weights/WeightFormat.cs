namespace Gateway.Model.Weights;

/// <summary>How the weights of the linear maps are held while serving; norms and biases are always f32.</summary>
public enum WeightFormat
{
    /// <summary>32-bit floats: the reference, and the only format that trains.</summary>
    F32,

    /// <summary>bfloat16, computed in f32.</summary>
    BF16,

    /// <summary>8-bit integers, one scale for 64 weights of an output.</summary>
    Int8,

    /// <summary>4-bit integers, one scale for 32 weights of an output; embeddings and head are <see cref="Int8"/>.</summary>
    Int4,
}

/// <summary>The names of weight formats in options, releases and reports.</summary>
public static class WeightFormats
{
    /// <summary>f32, bf16, int8 or int4.</summary>
    public static string Name(this WeightFormat format) => format switch
    {
        WeightFormat.F32 => "f32",
        WeightFormat.BF16 => "bf16",
        WeightFormat.Int8 => "int8",
        _ => "int4",
    };

    /// <summary>Finds a format by its name; false when there is none.</summary>
    public static bool TryParse(string? name, out WeightFormat format)
    {
        foreach (var candidate in Enum.GetValues<WeightFormat>())
        {
            if (string.Equals(candidate.Name(), name, StringComparison.OrdinalIgnoreCase))
            {
                format = candidate;
                return true;
            }
        }

        format = default;
        return false;
    }
}
