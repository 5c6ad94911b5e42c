namespace Gateway.Model.Numerics;

/// <summary>The right-hand side of a product, stored in panels of 16 columns: [panel][depth][16], zero padded.</summary>
/// <remarks>
/// One vector load yields 16 neighbouring outputs of one depth, and a whole panel is one contiguous stream.
/// Packing again replaces the content; it must not run while a product reads the matrix.
/// </remarks>
public sealed unsafe class PackedMatrix : IDisposable
{
    /// <summary>Columns per panel: the lanes of one 512-bit vector.</summary>
    public const int PanelWidth = 16;

    private float* _data;

    public PackedMatrix(int depth, int width)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(depth);
        ArgumentOutOfRangeException.ThrowIfNegative(width);
        Depth = depth;
        Width = width;
        _data = AlignedMemory.Allocate((long)Panels * PanelStride);
    }

    ~PackedMatrix() => Free();

    /// <summary>Length of the sums: columns of the left-hand side.</summary>
    public int Depth { get; }

    /// <summary>Columns of the product.</summary>
    public int Width { get; }

    public long Bytes => (long)Panels * PanelStride * sizeof(float);

    internal int Panels => (Width + PanelWidth - 1) / PanelWidth;

    /// <summary>Floats from one panel to the next.</summary>
    internal nint PanelStride => (nint)Depth * PanelWidth;

    internal float* Data
    {
        get
        {
            ObjectDisposedException.ThrowIf(_data is null, this);
            return _data;
        }
    }

    /// <summary>Packs Bᵀ from a source stored [width, depth], such as a weight [out, in] used in y = x·Wᵀ.</summary>
    public void PackTransposed(float* source, int sourceStride)
    {
        for (int panel = 0; panel < Panels; panel++)
        {
            PackTransposedPanel(source, sourceStride, panel);
        }
    }

    /// <summary>Packs B from a source stored [depth, width], such as a weight [out, in] used in dX = dY·W.</summary>
    public void Pack(float* source, int sourceStride)
    {
        for (int panel = 0; panel < Panels; panel++)
        {
            PackPanel(source, sourceStride, panel);
        }
    }

    public void Dispose()
    {
        Free();
        GC.SuppressFinalize(this);
    }

    internal void PackTransposedPanel(float* source, int sourceStride, int panel)
    {
        int column = panel * PanelWidth;
        Panel.PackTransposed(source + ((nint)column * sourceStride), sourceStride, Depth, Math.Min(PanelWidth, Width - column), Data + (panel * PanelStride));
    }

    internal void PackPanel(float* source, int sourceStride, int panel)
    {
        int column = panel * PanelWidth;
        Panel.Pack(source + column, sourceStride, Depth, Math.Min(PanelWidth, Width - column), Data + (panel * PanelStride));
    }

    private void Free()
    {
        AlignedMemory.Free(_data);
        _data = null;
    }
}
