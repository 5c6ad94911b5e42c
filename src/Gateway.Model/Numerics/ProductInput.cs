namespace Gateway.Model.Numerics;

/// <summary>The left side of the products that come next: which rows, and what else must be known of them.</summary>
internal readonly unsafe struct ProductInput(float* values, int rows, int width, PanelFormat format)
{
    /// <summary>[rows, width] without gaps.</summary>
    public float* Values => values;

    /// <summary>Number of rows.</summary>
    public int Rows => rows;

    /// <summary>Depth of the products.</summary>
    public int Width => width;

    /// <summary>Format of the right sides: rows are quantized for those that are.</summary>
    public PanelFormat Format => format;

    public float* Row(int row) => values + ((nint)row * width);
}
