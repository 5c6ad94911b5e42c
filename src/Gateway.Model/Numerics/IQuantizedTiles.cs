namespace Gateway.Model.Numerics;

/// <summary>Products of a few quantized rows and one panel of quantized weights, the way one instruction set does them best.</summary>
/// <remarks>All give the same bits; <see cref="QuantizedProduct{TTiles}"/> says which.</remarks>
internal unsafe interface IQuantizedTiles
{
    /// <summary>Bytes of an activation's number, as in <see cref="QuantizedRows.NumberBytes"/>.</summary>
    static abstract int ActivationBytes { get; }

    /// <summary>Bytes of weights from one fetch ahead to the next.</summary>
    static abstract int FetchedBytes { get; }

    /// <summary>Rows of the next tile when <paramref name="left"/> are to do; at most <see cref="QuantizedProduct{TTiles}.MostRows"/>.</summary>
    static abstract int TileRows(int left);

    /// <summary>sums[rows, 16] += x[row.., all depths]·panel, for as many rows as <see cref="TileRows"/> says; fetches weights from <paramref name="ahead"/> on.</summary>
    static abstract void Tile(int rows, in QuantizedRows x, int row, byte* panel, byte* ahead, nint aheadStep, float* sums);
}
