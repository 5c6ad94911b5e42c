namespace Gateway.Model.Numerics;

/// <summary>A term (scale·L)·R of some rows of a <see cref="Product"/>, such as the second factor of an adapter.</summary>
/// <remarks>Holds addresses only, like the product.</remarks>
internal readonly unsafe struct ProductTerm
{
    /// <summary>Describes a term.</summary>
    /// <param name="left">L of the first row, f32.</param>
    /// <param name="lda">Floats from one row of L to the next.</param>
    /// <param name="firstRow">First row of the product that has the term.</param>
    /// <param name="rows">Rows that have it.</param>
    /// <param name="right">R, as wide as the product's right side, in f32 or bfloat16.</param>
    /// <param name="scale">Factor of L.</param>
    public ProductTerm(float* left, int lda, int firstRow, int rows, WeightMatrix right, float scale = 1f)
    {
        Right = new FloatPanels(right);
        ArgumentOutOfRangeException.ThrowIfLessThan(lda, right.Depth);
        Left = left;
        (Lda, FirstRow, Rows, Scale) = (lda, firstRow, rows, scale);
    }

    public float* Left { get; }

    public int Lda { get; }

    public int FirstRow { get; }

    public int Rows { get; }

    public FloatPanels Right { get; }

    public float Scale { get; }
}
