namespace Gateway.Model.Numerics;

/// <summary>How one product is cut into a grid of chunks of its output.</summary>
internal readonly record struct ProductSplit(int RowsPerChunk, int ColumnsPerChunk, int ColumnChunks, int Chunks)
{
    /// <summary>Depth that one pass covers: two panels of it fit in the first-level cache beside the rows.</summary>
    public const int DepthBlock = 256;

    // With many rows a chunk is tall and narrow: weights that come from memory are waited for by the first tile of each
    // pair of panels only, and the rows after it find them in the first-level cache. How tall, the
    // second-level cache decides (Kernels.RowBlock). Few rows take whole tiles of 64 columns instead.
    private const int ColumnBlock = 96;
    private const int FewRows = 96;
    private const int ColumnBlockOfFewRows = 256;
    private const int ColumnStep = 4 * PackedMatrix.PanelWidth;

    /// <summary>Products below this many multiply-adds cost less than waking the team.</summary>
    private const long Small = 64 * 1024;

    public static ProductSplit Choose(int rows, int width, int depth, int threads, int rowBlock)
    {
        if ((long)rows * width * depth < Small)
        {
            return Create(rows, width, rows, width);
        }

        int columns = Math.Min(width, rows < FewRows ? ColumnBlockOfFewRows : ColumnBlock);
        int rowsPerChunk = Math.Min(rows, rowBlock);

        // Few rows or narrow outputs: halve the chunks until every thread has several, for balance.
        while (threads > 1 && Create(rows, width, rowsPerChunk, columns).Chunks < 4 * threads)
        {
            if (rowsPerChunk > 24)
            {
                rowsPerChunk = (((rowsPerChunk / 2) + 11) / 12) * 12;
            }
            else if (columns > ColumnStep)
            {
                columns = (((columns / 2) + ColumnStep - 1) / ColumnStep) * ColumnStep;
            }
            else
            {
                break;
            }
        }

        return Create(rows, width, rowsPerChunk, columns);
    }

    /// <summary>First row and column of a chunk; chunks that share rows are neighbours.</summary>
    public (int Row, int Column) Origin(int chunk) => (chunk / ColumnChunks * RowsPerChunk, chunk % ColumnChunks * ColumnsPerChunk);

    private static ProductSplit Create(int rows, int width, int rowsPerChunk, int columnsPerChunk)
    {
        int columnChunks = (width + columnsPerChunk - 1) / columnsPerChunk;
        int rowChunks = (rows + rowsPerChunk - 1) / rowsPerChunk;
        return new ProductSplit(rowsPerChunk, columnsPerChunk, columnChunks, rowChunks * columnChunks);
    }
}
