using System.Runtime.Intrinsics.X86;

namespace Gateway.Model.Numerics;

/// <summary>Where a right side in f32 or bfloat16 lies.</summary>
internal readonly unsafe struct FloatPanels
{
    private readonly byte* _panels;
    private readonly nint _panelBytes;
    private readonly bool _bfloat16;

    /// <exception cref="ArgumentException">The right side is quantized.</exception>
    public FloatPanels(WeightMatrix matrix)
    {
        ArgumentNullException.ThrowIfNull(matrix);
        if (matrix.Format is PanelFormat.Int8 or PanelFormat.Int4)
        {
            throw new ArgumentException("This right side cannot be quantized: give it in f32 or bfloat16.", nameof(matrix));
        }

        _panels = matrix.Memory;
        (_panelBytes, _bfloat16) = (matrix.PanelBytes, matrix.Format == PanelFormat.Bfloat16);
        (Depth, Width) = (matrix.Depth, matrix.Width);
    }

    public int Depth { get; }

    public int Width { get; }

    /// <summary>C[rows, columns] (+)= A·B for the columns from <paramref name="column"/> on, which is the first of a panel.</summary>
    public void Multiply(Kernels kernels, float* a, nint lda, int rows, int column, int columns, float* c, nint ldc, bool accumulate)
    {
        byte* panels = _panels + (column / WeightMatrix.PanelWidth * _panelBytes);
        if (_bfloat16)
        {
            kernels.MultiplyBfloat16(a, lda, rows, panels, _panelBytes, Depth, columns, c, ldc, accumulate);
        }
        else
        {
            kernels.Multiply(a, lda, 1, rows, (float*)panels, _panelBytes / sizeof(float), Depth, columns, c, ldc, accumulate);
        }
    }

    /// <summary>Fetches the panels of these columns towards the second-level cache.</summary>
    public void Fetch(int column, int columns)
    {
        if (Sse.IsSupported)
        {
            byte* from = _panels + (column / WeightMatrix.PanelWidth * _panelBytes);
            byte* end = from + (WeightMatrix.PanelsFor(columns) * _panelBytes);
            for (; from < end; from += AlignedMemory.Alignment)
            {
                Sse.Prefetch1(from);
            }
        }
    }
}
