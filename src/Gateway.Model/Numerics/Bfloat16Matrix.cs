using System.Runtime.CompilerServices;

namespace Gateway.Model.Numerics;

/// <summary>A right-hand side in bfloat16 panels, [panel][depth][16], zero padded; products widen it to f32.</summary>
public sealed unsafe class Bfloat16Matrix : WeightMatrix
{
    public Bfloat16Matrix(int depth, int width)
        : this(depth, width, null)
    {
    }

    internal Bfloat16Matrix(int depth, int width, byte* borrowed)
        : base(depth, width, (nint)depth * PanelWidth * sizeof(ushort), borrowed)
    {
    }

    internal override PanelFormat Format => PanelFormat.Bfloat16;

    private ushort* Data => (ushort*)Memory;

    private nint PanelStride => (nint)Depth * PanelWidth;

    internal override void PackTransposedPanel(float* source, int sourceStride, int panel)
    {
        int first = panel * PanelWidth;
        int columns = Math.Min(PanelWidth, Width - first);
        ushort* target = Data + (panel * PanelStride);
        for (int column = 0; column < columns; column++)
        {
            float* row = source + ((nint)(first + column) * sourceStride);
            for (int k = 0; k < Depth; k++)
            {
                target[((nint)k * PanelWidth) + column] = FromSingle(row[k]);
            }
        }
    }

    internal override void ReadColumn(int column, Span<float> values)
    {
        ushort* source = Data + (column / PanelWidth * PanelStride) + (column % PanelWidth);
        for (int k = 0; k < Depth; k++)
        {
            values[k] = ToSingle(source[(nint)k * PanelWidth]);
        }
    }

    /// <summary>Rounds a finite value to the nearest bfloat16, ties to even.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static ushort FromSingle(float value)
    {
        uint bits = BitConverter.SingleToUInt32Bits(value);
        return (ushort)((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16);
    }

    /// <summary>The f32 whose upper half a bfloat16 is.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static float ToSingle(ushort bits) => BitConverter.UInt32BitsToSingle((uint)bits << 16);
}
