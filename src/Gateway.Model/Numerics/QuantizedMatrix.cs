namespace Gateway.Model.Numerics;

/// <summary>
/// A right-hand side in panels of 8-bit or 4-bit numbers with one bfloat16 scale per output and group of depths:
/// 1.03 bytes per weight (8 bit, groups of 64) or 0.5625 (4 bit, groups of 32). The depth is zero padded to whole groups.
/// </summary>
public sealed unsafe class QuantizedMatrix : WeightMatrix
{
    private const int ScaleBytes = PanelWidth * sizeof(ushort);

    private readonly PanelFormat _format;

    /// <summary>Allocates a matrix of 4-bit or, else, 8-bit numbers.</summary>
    public QuantizedMatrix(int depth, int width, bool fourBits)
        : this(depth, width, fourBits, null)
    {
    }

    internal QuantizedMatrix(int depth, int width, bool fourBits, byte* borrowed)
        : base(depth, width, PanelBytesFor(depth, fourBits), borrowed)
    {
        _format = fourBits ? PanelFormat.Int4 : PanelFormat.Int8;
    }

    internal override PanelFormat Format => _format;

    private bool FourBits => _format == PanelFormat.Int4;

    private int GroupDepth => FourBits ? Int4Format.GroupDepth : Int8Format.GroupDepth;

    internal override void PackTransposedPanel(float* source, int sourceStride, int panel)
    {
        int first = panel * PanelWidth;
        int groups = (Depth + GroupDepth - 1) / GroupDepth;
        float* weights = stackalloc float[Int8Format.GroupDepth];
        sbyte* numbers = stackalloc sbyte[Int8Format.GroupDepth];
        for (int column = 0; column < PanelWidth; column++)
        {
            byte* target = Memory + (panel * PanelBytes);
            for (int group = 0; group < groups; group++, target += GroupBytes(FourBits))
            {
                int start = group * GroupDepth;
                int count = first + column < Width ? Math.Min(GroupDepth, Depth - start) : 0;
                var values = new Span<float>(weights, GroupDepth);
                values[count..].Clear();
                new ReadOnlySpan<float>(source + ((nint)(first + column) * sourceStride) + start, count).CopyTo(values);
                ushort scale = FourBits ? GroupQuantizer.Quantize4(weights, numbers) : GroupQuantizer.Quantize8(weights, numbers);
                Store(numbers, target, column);
                ((ushort*)(target + (GroupBytes(FourBits) - ScaleBytes)))[column] = scale;
            }
        }
    }

    internal override void ReadColumn(int column, Span<float> values)
    {
        byte* source = Memory + (column / PanelWidth * PanelBytes);
        column %= PanelWidth;
        for (int start = 0; start < Depth; start += GroupDepth, source += GroupBytes(FourBits))
        {
            float scale = Bfloat16Matrix.ToSingle(((ushort*)(source + (GroupBytes(FourBits) - ScaleBytes)))[column]);
            for (int k = 0; k < Math.Min(GroupDepth, Depth - start); k++)
            {
                values[start + k] = Number(source, column, k, FourBits) * scale;
            }
        }
    }

    /// <summary>Bytes of 16 outputs.</summary>
    internal static nint PanelBytesFor(int depth, bool fourBits) => Groups(depth, fourBits) * GroupBytes(fourBits);

    private static nint Groups(int depth, bool fourBits) =>
        fourBits ? (depth + Int4Format.GroupDepth - 1) / Int4Format.GroupDepth : (depth + Int8Format.GroupDepth - 1) / Int8Format.GroupDepth;

    private static nint GroupBytes(bool fourBits) =>
        (fourBits ? Int4Format.GroupBytes : Int8Format.GroupBytes) + ScaleBytes;

    /// <summary>Writes the numbers of one group of one column: quadruples of depths, 16 columns apart.</summary>
    private void Store(sbyte* numbers, byte* group, int column)
    {
        int quadruples = FourBits ? Int4Format.GroupDepth / 8 : Int8Format.GroupDepth / 4;
        for (int quadruple = 0; quadruple < quadruples; quadruple++)
        {
            byte* target = group + (((quadruple * PanelWidth) + column) * 4);
            for (int k = 0; k < 4; k++)
            {
                int at = (quadruple * 4) + k;
                target[k] = FourBits
                    ? (byte)((numbers[at] + Int4Format.Offset) | ((numbers[at + Int4Format.PartDepth] + Int4Format.Offset) << 4))
                    : (byte)(numbers[at] + Int8Format.Offset);
            }
        }
    }

    /// <summary>The signed number of a weight in a group of 16 columns.</summary>
    internal static int Number(byte* group, int column, int k, bool fourBits)
    {
        if (!fourBits)
        {
            return group[(((k / 4 * PanelWidth) + column) * 4) + (k % 4)] - Int8Format.Offset;
        }

        int low = k % Int4Format.PartDepth;
        int both = group[(((low / 4 * PanelWidth) + column) * 4) + (low % 4)];
        return (k < Int4Format.PartDepth ? both & 15 : both >> 4) - Int4Format.Offset;
    }
}
