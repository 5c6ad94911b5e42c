namespace Gateway.Model.Numerics;

/// <summary>A right-hand side of products in panels of 16 columns, in one of the stored formats.</summary>
/// <remarks>
/// One vector load yields 16 neighbouring outputs of one depth, and a whole panel is one contiguous stream. The memory
/// belongs to the matrix or is borrowed from a larger block that outlives it. Packing must not run while a product reads.
/// </remarks>
public abstract unsafe class WeightMatrix : IDisposable
{
    /// <summary>Columns per panel: the lanes of one 512-bit vector.</summary>
    public const int PanelWidth = 16;

    private readonly bool _owned;
    private byte* _memory;

    private protected WeightMatrix(int depth, int width, nint panelBytes, byte* borrowed)
    {
        Depth = depth;
        Width = width;
        PanelBytes = panelBytes;
        _owned = borrowed is null;
        _memory = _owned ? AlignedMemory.AllocateBytes(Bytes) : borrowed;
    }

    ~WeightMatrix() => Free();

    /// <summary>Length of the sums: columns of the left-hand side.</summary>
    public int Depth { get; }

    /// <summary>Columns of the product.</summary>
    public int Width { get; }

    /// <summary>Memory of all panels.</summary>
    public long Bytes => (long)Panels * PanelBytes;

    internal int Panels => PanelsFor(Width);

    /// <summary>Bytes from one panel to the next.</summary>
    internal nint PanelBytes { get; }

    internal abstract PanelFormat Format { get; }

    internal byte* Memory
    {
        get
        {
            ObjectDisposedException.ThrowIf(_memory is null, this);
            return _memory;
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

    public void Dispose()
    {
        Free();
        GC.SuppressFinalize(this);
    }

    internal static int PanelsFor(int width) => (width + PanelWidth - 1) / PanelWidth;

    internal abstract void PackTransposedPanel(float* source, int sourceStride, int panel);

    /// <summary>Reads one column of B back as f32, that is one row of the weight [out, in]: an embedding.</summary>
    internal abstract void ReadColumn(int column, Span<float> values);

    private void Free()
    {
        if (_owned)
        {
            AlignedMemory.Free(_memory);
        }

        _memory = null;
    }
}
