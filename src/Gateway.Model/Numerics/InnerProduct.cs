namespace Gateway.Model.Numerics;

/// <summary>A product of some rows of a <see cref="ProductInput"/> that is computed with the input itself: an adapter's x·Aᵀ.</summary>
/// <remarks>Holds addresses only, like a <see cref="Product"/>.</remarks>
internal readonly unsafe struct InnerProduct
{
    /// <summary>Describes a product.</summary>
    /// <param name="firstRow">First row of the input.</param>
    /// <param name="rows">Number of rows.</param>
    /// <param name="right">The right side in f32 or bfloat16.</param>
    /// <param name="target">Receives [rows, right.Width].</param>
    public InnerProduct(int firstRow, int rows, WeightMatrix right, float* target)
    {
        Target = target;
        Right = new FloatPanels(right);
        (FirstRow, Rows) = (firstRow, rows);
    }

    public int FirstRow { get; }

    public int Rows { get; }

    public FloatPanels Right { get; }

    public float* Target { get; }
}
