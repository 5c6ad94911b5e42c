namespace Gateway.Model.Numerics;

public sealed unsafe partial class Compute
{
    /// <summary>C[rows, b.Width] (+)= A[rows, b.Depth]·B; every output is one chain of fused multiply-adds over the depth, starting at C when it accumulates.</summary>
    /// <param name="lda">Floats from one row of A to the next.</param>
    /// <param name="ldc">Floats from one row of C to the next.</param>
    public void Multiply(float* a, int lda, int rows, PackedMatrix b, float* c, int ldc, bool accumulate)
    {
        ArgumentNullException.ThrowIfNull(b);
        ArgumentOutOfRangeException.ThrowIfLessThan(lda, b.Depth);
        ArgumentOutOfRangeException.ThrowIfLessThan(ldc, b.Width);
        if (rows <= 0 || b.Width == 0)
        {
            return;
        }

        ProductSplit split = ProductSplit.Choose(rows, b.Width, b.Depth, Threads, Kernels.RowBlock);
        var work = new ProductWork(Kernels, split, a, lda, rows, b.Data, b.PanelStride, b.Depth, b.Width, c, ldc, accumulate);
        _team.Run(split.Chunks, ref work);
    }

    /// <summary>C[rows, columns] (+)= Σ_t a[t, row]·b[t, column] for t in 0..depth-1, in that order: weight gradients.</summary>
    public void MultiplyTransposed(float* a, int lda, float* b, int ldb, int depth, int rows, int columns, float* c, int ldc, bool accumulate)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(lda, rows);
        ArgumentOutOfRangeException.ThrowIfLessThan(ldb, columns);
        ArgumentOutOfRangeException.ThrowIfLessThan(ldc, columns);
        if (rows <= 0 || columns <= 0)
        {
            return;
        }

        ProductSplit split = ProductSplit.Choose(rows, columns, depth, Threads, Kernels.RowBlock);
        var work = new TransposedProductWork(Kernels, split, _private, a, lda, b, ldb, depth, rows, columns, c, ldc, accumulate);
        _team.Run(split.Chunks, ref work);
    }

    /// <summary>Packs Bᵀ from a source stored [width, depth] on all threads; see <see cref="WeightMatrix.PackTransposed"/>.</summary>
    public void PackTransposed(WeightMatrix target, float* source, int sourceStride)
    {
        ArgumentNullException.ThrowIfNull(target);
        var work = new PackTransposedWork(target, source, sourceStride);
        _team.Run(target.Panels, ref work);
    }

    /// <summary>Packs B from a source stored [depth, width] on all threads; see <see cref="PackedMatrix.Pack"/>.</summary>
    public void Pack(PackedMatrix target, float* source, int sourceStride)
    {
        ArgumentNullException.ThrowIfNull(target);
        var work = new PackWork(source, sourceStride, target.Depth, target.Width, target.Data, target.PanelStride);
        _team.Run(target.Panels, ref work);
    }

    private readonly struct PackTransposedWork(WeightMatrix target, float* source, int sourceStride) : IChunkedWork
    {
        public void Run(int chunk, int worker) => target.PackTransposedPanel(source, sourceStride, chunk);
    }

    private readonly struct PackWork(float* source, nint stride, int depth, int width, float* target, nint panelStride) : IChunkedWork
    {
        public void Run(int chunk, int worker)
        {
            int column = chunk * PackedMatrix.PanelWidth;
            Panel.Pack(source + column, stride, depth, Math.Min(PackedMatrix.PanelWidth, width - column), target + (chunk * panelStride));
        }
    }

    private readonly struct ProductWork(
        Kernels kernels, ProductSplit split, float* a, nint lda, int rows, float* panels, nint panelStride, int depth, int width, float* c, nint ldc, bool accumulate) : IChunkedWork
    {
        public void Run(int chunk, int worker)
        {
            (int row, int column) = split.Origin(chunk);
            int rowCount = Math.Min(split.RowsPerChunk, rows - row);
            int columnCount = Math.Min(split.ColumnsPerChunk, width - column);
            float* panel = panels + (column / PackedMatrix.PanelWidth * panelStride);
            float* target = c + (row * ldc) + column;

            // The depth is cut so that a few panels and rows stay in the first caches; the chain continues through C.
            bool continues = accumulate;
            for (int k = 0; k < depth || k == 0; k += ProductSplit.DepthBlock)
            {
                int depthCount = Math.Min(ProductSplit.DepthBlock, depth - k);
                kernels.Multiply(a + (row * lda) + k, lda, 1, rowCount, panel + ((nint)k * PackedMatrix.PanelWidth), panelStride, depthCount, columnCount, target, ldc, continues);
                continues = true;
            }
        }
    }

    private readonly struct TransposedProductWork(
        Kernels kernels, ProductSplit split, Scratch[] scratch, float* a, nint lda, float* b, nint ldb, int depth, int rows, int width, float* c, nint ldc, bool accumulate) : IChunkedWork
    {
        public void Run(int chunk, int worker)
        {
            (int row, int column) = split.Origin(chunk);
            int rowCount = Math.Min(split.RowsPerChunk, rows - row);
            int columnCount = Math.Min(split.ColumnsPerChunk, width - column);
            int block = Math.Min(ProductSplit.DepthBlock, depth);
            int panelColumns = (columnCount + PackedMatrix.PanelWidth - 1) / PackedMatrix.PanelWidth * PackedMatrix.PanelWidth;
            float* panels = scratch[worker].Reserve((long)block * (panelColumns + rowCount));
            float* strip = panels + ((nint)block * panelColumns);
            float* target = c + (row * ldc) + column;

            // Both sides are copied block by block: the copies stay in the second-level cache, where rows that are a
            // power of two apart would push each other out.
            bool continues = accumulate;
            for (int k = 0; k < depth || k == 0; k += ProductSplit.DepthBlock)
            {
                int depthCount = Math.Min(ProductSplit.DepthBlock, depth - k);
                Panel.PackAll(b + (k * ldb) + column, ldb, depthCount, columnCount, panels);
                Panel.CopyRows(a + (k * lda) + row, lda, depthCount, rowCount, strip);
                kernels.Multiply(strip, 1, rowCount, rowCount, panels, (nint)depthCount * PackedMatrix.PanelWidth, depthCount, columnCount, target, ldc, continues);
                continues = true;
            }
        }
    }
}
