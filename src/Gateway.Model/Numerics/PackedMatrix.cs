namespace Gateway.Model.Numerics;

/// <summary>A right-hand side in f32 panels, [panel][depth][16], zero padded.</summary>
public sealed unsafe class PackedMatrix : WeightMatrix
{
    public PackedMatrix(int depth, int width)
        : this(depth, width, null)
    {
    }

    internal PackedMatrix(int depth, int width, byte* borrowed)
        : base(NotNegative(depth), NotNegative(width), (nint)depth * PanelWidth * sizeof(float), borrowed)
    {
    }

    internal override PanelFormat Format => PanelFormat.F32;

    /// <summary>Floats from one panel to the next.</summary>
    internal nint PanelStride => (nint)Depth * PanelWidth;

    internal float* Data => (float*)Memory;

    /// <summary>Packs B from a source stored [depth, width], such as a weight [out, in] used in dX = dY·W.</summary>
    public void Pack(float* source, int sourceStride)
    {
        for (int panel = 0; panel < Panels; panel++)
        {
            PackPanel(source, sourceStride, panel);
        }
    }

    internal override void PackTransposedPanel(float* source, int sourceStride, int panel)
    {
        int column = panel * PanelWidth;
        Panel.PackTransposed(source + ((nint)column * sourceStride), sourceStride, Depth, Math.Min(PanelWidth, Width - column), Data + (panel * PanelStride));
    }

    internal void PackPanel(float* source, int sourceStride, int panel)
    {
        int column = panel * PanelWidth;
        Panel.Pack(source + column, sourceStride, Depth, Math.Min(PanelWidth, Width - column), Data + (panel * PanelStride));
    }

    internal override void ReadColumn(int column, Span<float> values)
    {
        float* source = Data + (column / PanelWidth * PanelStride) + (column % PanelWidth);
        for (int k = 0; k < Depth; k++)
        {
            values[k] = source[(nint)k * PanelWidth];
        }
    }

    private static int NotNegative(int value)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(value);
        return value;
    }
}
