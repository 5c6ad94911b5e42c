using Gateway.Model.Numerics;

namespace Gateway.Model.Weights;

/// <summary>Right-hand sides of linear maps by weight format.</summary>
internal static unsafe class LinearWeights
{
    /// <summary>A matrix over borrowed memory, or over its own when there is none.</summary>
    public static WeightMatrix Create(int depth, int width, WeightFormat format, byte* memory = null) => format switch
    {
        WeightFormat.F32 => new PackedMatrix(depth, width, memory),
        WeightFormat.BF16 => new Bfloat16Matrix(depth, width, memory),
        WeightFormat.Int8 => new QuantizedMatrix(depth, width, fourBits: false, memory),
        _ => new QuantizedMatrix(depth, width, fourBits: true, memory),
    };

    /// <summary>Memory of a matrix, rounded up to whole cache lines.</summary>
    public static long BytesFor(int depth, int width, WeightFormat format)
    {
        var panel = format switch
        {
            WeightFormat.F32 => (long)depth * WeightMatrix.PanelWidth * sizeof(float),
            WeightFormat.BF16 => (long)depth * WeightMatrix.PanelWidth * sizeof(ushort),
            _ => QuantizedMatrix.PanelBytesFor(depth, format == WeightFormat.Int4),
        };
        return ((WeightMatrix.PanelsFor(width) * panel) + AlignedMemory.Alignment - 1) / AlignedMemory.Alignment * AlignedMemory.Alignment;
    }
}
