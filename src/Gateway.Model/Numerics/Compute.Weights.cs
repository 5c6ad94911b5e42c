namespace Gateway.Model.Numerics;

public sealed unsafe partial class Compute
{
    /// <summary>Bytes of quantized activations that a chunk takes together: they stay in the second-level cache.</summary>
    private const int QuantizedChunkBytes = 512 * 1024;

    /// <summary>Rows of a chunk of a quantized product at least, and what larger ones are a multiple of.</summary>
    private const int QuantizedTileRows = 8;

    /// <summary>Multiply-adds of a chunk at least; below, claiming it costs more than sharing it saves.</summary>
    private const long SmallestChunk = 32 * 1024;

    /// <summary>Rows of an f32 or bfloat16 product that one chunk takes whole, over its whole depth.</summary>
    private const int FewRows = 16;

    /// <summary>Chunks of quantized products per thread and job: enough for balance, few enough for long streams.</summary>
    private const int ChunksPerThread = 4;

    private readonly Scratch _quantized = new();
    private PlannedChunks[] _planned = GC.AllocateUninitializedArray<PlannedChunks>(16, pinned: true);

    /// <summary>
    /// Runs products that do not read each other's results as one job of the team: 1. quantize the left side that
    /// quantized products share, unless it was prepared; 2. cut every product into chunks; 3. run all chunks, each with the
    /// bias and the terms of its rows and columns.
    /// </summary>
    /// <remarks>
    /// With f32 and bfloat16 right sides every output is one chain of fused multiply-adds over the depth; with quantized
    /// ones see <see cref="QuantizedProduct{TTiles}"/>. A row's bits depend on that row alone.
    /// </remarks>
    /// <exception cref="ArgumentException">Quantized products differ in their left side or format.</exception>
    public void Multiply(ReadOnlySpan<Product> products) => Multiply(products, default);

    /// <summary>As <see cref="Multiply(ReadOnlySpan{Product})"/>.</summary>
    /// <param name="products">The products; where following weights are known, the right sides lie one behind the other.</param>
    /// <param name="following">What is read next.</param>
    internal void Multiply(ReadOnlySpan<Product> products, in FollowingWeights following)
    {
        QuantizedRows rows = Quantize(products);
        if (_planned.Length < products.Length)
        {
            _planned = GC.AllocateUninitializedArray<PlannedChunks>(2 * products.Length, pinned: true);
        }

        long work = 0;
        foreach (ref readonly Product product in products)
        {
            work += product.Quantized ? (long)product.Rows * product.Width * product.Depth : 0;
        }

        int chunks = 0;
        long chunkWork = Math.Max(SmallestChunk, work / (ChunksPerThread * Threads));
        for (int i = 0; i < products.Length; i++)
        {
            bool empty = products[i].Rows <= 0 || products[i].Width == 0;
            ProductSplit split = empty ? default : Split(products[i], chunkWork);
            chunks += split.Chunks;
            _planned[i] = new PlannedChunks(split, chunks);
        }

        fixed (Product* first = products)
        fixed (PlannedChunks* plan = _planned)
        {
            var job = new ProductsWork(Kernels, _private, first, plan, rows, products.Length, following);
            _team.Run(chunks, ref job);
        }
    }

    /// <summary>Reads columns of a right side back as f32: target[i] = B[:, columns[i]], the embeddings of tokens.</summary>
    public void ReadColumns(WeightMatrix b, int* columns, int count, float* target)
    {
        ArgumentNullException.ThrowIfNull(b);
        OverRange(count, 8, new ReadColumnsWork(b, columns, target));
    }

    private QuantizedRows Quantize(ReadOnlySpan<Product> products)
    {
        float* shared = null;
        PanelFormat format = default;
        QuantizedRows rows = default;
        foreach (ref readonly Product product in products)
        {
            if (!product.Quantized)
            {
                continue;
            }

            if (shared is null)
            {
                shared = product.A;
                format = product.Format;
                if (_preparedFor == shared)
                {
                    rows = _prepared;
                    continue;
                }

                rows = ReserveQuantized(product.Rows, product.Depth, format);
                OverRange(product.Rows, RowsPerChunk(product.Depth), new QuantizeWork(product.A, product.Lda, product.Depth, format, rows));
            }
            else if (product.A != shared || product.Format != format)
            {
                throw new ArgumentException("Quantized products of one job must share their left side and format: run them one after the other.", nameof(products));
            }
        }

        _preparedFor = null;
        return rows;
    }

    private ProductSplit Split(in Product product, long chunkWork) =>
        product.Quantized ? SplitQuantized(product, chunkWork)
        : product.Rows > FewRows ? ProductSplit.Choose(product.Rows, product.Width, product.Depth, Threads, Kernels.RowBlock)
        : SplitFewRows(product);

    private ProductSplit SplitFewRows(in Product product)
    {
        long columnWork = (long)product.Rows * product.Depth;
        if (Threads == 1 || columnWork * product.Width <= SmallestChunk)
        {
            return new ProductSplit(product.Rows, product.Width, 1, 1);
        }

        // Four panels at a time, or one where there are no four: what the tiles of few rows take.
        int step = product.Width >= 4 * WeightMatrix.PanelWidth ? 4 * WeightMatrix.PanelWidth : product.Rows < 8 ? product.Width : WeightMatrix.PanelWidth;
        long wanted = Math.Max(1, SmallestChunk / columnWork);
        int columns = (int)((wanted + step - 1) / step * step);
        int chunks = (product.Width + columns - 1) / columns;
        return new ProductSplit(product.Rows, columns, chunks, chunks);
    }

    private ProductSplit SplitQuantized(in Product product, long chunkWork)
    {
        int rowBytes = product.Depth * Kernels.ActivationBytes(product.Format == PanelFormat.Int4);
        int rows = Math.Min(product.Rows, Math.Max(QuantizedTileRows, QuantizedChunkBytes / rowBytes / QuantizedTileRows * QuantizedTileRows));
        int rowChunks = (product.Rows + rows - 1) / rows;
        long chunkColumns = Threads == 1 ? product.Width : Math.Max(1, chunkWork / ((long)rows * product.Depth));
        int columnChunks = (int)Math.Max(1, (product.Width + (chunkColumns / 2)) / chunkColumns);
        int panels = (WeightMatrix.PanelsFor(product.Width) + columnChunks - 1) / columnChunks;
        int columns = panels * WeightMatrix.PanelWidth;
        columnChunks = (product.Width + columns - 1) / columns;
        return new ProductSplit(rows, columns, columnChunks, columnChunks * rowChunks);
    }

    /// <summary>The chunks of a product; End is the number of the first chunk of the next one.</summary>
    private readonly record struct PlannedChunks(ProductSplit Split, int End);

    private readonly struct ProductsWork(Kernels kernels, Scratch[] scratch, Product* products, PlannedChunks* plan, QuantizedRows quantized, int count, FollowingWeights following) : IChunkedWork
    {
        public void Run(int chunk, int worker)
        {
            int at = 0;
            while (chunk >= plan[at].End)
            {
                at++;
            }

            ref readonly Product product = ref products[at];
            ProductSplit split = plan[at].Split;
            (int row, int column) = split.Origin(chunk - (plan[at].End - split.Chunks));
            int rows = Math.Min(split.RowsPerChunk, product.Rows - row);
            int columns = Math.Min(split.ColumnsPerChunk, product.Width - column);
            float* target = product.C + ((nint)row * product.Ldc) + column;
            if (product.Start is not null)
            {
                RegisterTile.Copy(product.Start + ((nint)row * product.Ldc) + column, product.Ldc, target, product.Ldc, rows, columns);
            }

            FetchTerms(product, row, rows, column, columns);
            byte* panels = product.Panels + (column / WeightMatrix.PanelWidth * product.PanelBytes);
            if (product.Quantized)
            {
                kernels.MultiplyQuantized(quantized, row, rows, product.Format == PanelFormat.Int4, panels, product.PanelBytes, columns, target, product.Ldc, product.Accumulate, StreamOf(chunk));
            }
            else
            {
                MultiplyFloats(product, row, rows, panels, columns, target, scratch[worker]);
            }

            AddTerms(product, row, rows, column, columns, target, scratch[worker]);
        }

        /// <summary>The stream of the thread whose share a chunk is in.</summary>
        private WeightStream StreamOf(int chunk)
        {
            if (!following.Known)
            {
                return default;
            }

            int threads = scratch.Length;
            int chunks = plan[count - 1].End;
            int owner = 0;
            while (chunk >= WorkerTeam.FirstChunk(owner + 1, threads, chunks))
            {
                owner++;
            }

            int last = WorkerTeam.FirstChunk(owner + 1, threads, chunks) - 1;
            int at = 0;
            while (last >= plan[at].End)
            {
                at++;
            }

            ref readonly Product product = ref products[at];
            ProductSplit split = plan[at].Split;
            int column = Math.Min(product.Width, split.Origin(last - (plan[at].End - split.Chunks)).Column + split.ColumnsPerChunk);
            return new WeightStream(product.Panels + (WeightMatrix.PanelsFor(column) * product.PanelBytes), following.ShareOf(owner, threads));
        }

        private void MultiplyFloats(in Product product, int row, int rows, byte* panels, int columns, float* target, Scratch room)
        {
            float* left = product.A + ((nint)row * product.Lda);
            nint lda = product.Lda;
            if (product.Scale != 1f)
            {
                left = Scaled(left, lda, rows, product.Depth, product.Scale, room);
                lda = product.Depth;
            }

            // The depth is cut so that a few panels and rows stay in the first caches; the chain continues through C.
            bool continues = product.Accumulate;
            int block = product.Rows > FewRows ? ProductSplit.DepthBlock : Math.Max(1, product.Depth);
            for (int k = 0; k < product.Depth || k == 0; k += block)
            {
                int depth = Math.Min(block, product.Depth - k);
                if (product.Format == PanelFormat.F32)
                {
                    float* panel = (float*)panels + ((nint)k * WeightMatrix.PanelWidth);
                    kernels.Multiply(left + k, lda, 1, rows, panel, product.PanelBytes / sizeof(float), depth, columns, target, product.Ldc, continues);
                }
                else
                {
                    byte* panel = panels + ((nint)k * WeightMatrix.PanelWidth * sizeof(ushort));
                    kernels.MultiplyBfloat16(left + k, lda, rows, panel, product.PanelBytes, depth, columns, target, product.Ldc, continues);
                }

                continues = true;
            }
        }

        /// <summary>Terms of few rows read their right side once: it is fetched while the product is computed.</summary>
        private static void FetchTerms(in Product product, int row, int rows, int column, int columns)
        {
            for (int i = 0; i < product.TermCount; i++)
            {
                ref readonly ProductTerm term = ref product.Terms[i];
                if (term.FirstRow < row + rows && row < term.FirstRow + term.Rows)
                {
                    term.Right.Fetch(column, columns);
                }
            }
        }

        private void AddTerms(in Product product, int row, int rows, int column, int columns, float* target, Scratch room)
        {
            for (int r = 0; product.Bias is not null && r < rows; r++)
            {
                kernels.Add(product.Bias + column, target + ((nint)r * product.Ldc), columns);
            }

            for (int i = 0; i < product.TermCount; i++)
            {
                ref readonly ProductTerm term = ref product.Terms[i];
                int first = Math.Max(row, term.FirstRow);
                int count = Math.Min(row + rows, term.FirstRow + term.Rows) - first;
                if (count > 0)
                {
                    int depth = term.Right.Depth;
                    float* left = term.Left + ((nint)(first - term.FirstRow) * term.Lda);
                    bool scaled = term.Scale != 1f;
                    left = scaled ? Scaled(left, term.Lda, count, depth, term.Scale, room) : left;
                    term.Right.Multiply(kernels, left, scaled ? depth : term.Lda, count, column, columns, target + ((nint)(first - row) * product.Ldc), product.Ldc, accumulate: true);
                }
            }
        }

        private float* Scaled(float* left, nint lda, int rows, int depth, float scale, Scratch room)
        {
            float* scaled = room.Reserve((long)rows * depth);
            for (int row = 0; row < rows; row++)
            {
                new ReadOnlySpan<float>(left + (row * lda), depth).CopyTo(new Span<float>(scaled + ((nint)row * depth), depth));
            }

            kernels.Scale(scaled, scale, rows * depth);
            return scaled;
        }
    }

    private readonly struct QuantizeWork(float* a, nint lda, int width, PanelFormat format, QuantizedRows target) : IRangeWork
    {
        public void Run(Kernels kernels, int first, int count, Scratch scratch)
        {
            for (int row = first; row < first + count; row++)
            {
                kernels.QuantizeRow(a + (row * lda), width, GroupDepth(format), Offset(format), target, row);
            }
        }
    }

    private readonly struct ReadColumnsWork(WeightMatrix b, int* columns, float* target) : IRangeWork
    {
        public void Run(Kernels kernels, int first, int count, Scratch scratch)
        {
            for (int i = first; i < first + count; i++)
            {
                b.ReadColumn(columns[i], new Span<float>(target + ((nint)i * b.Depth), b.Depth));
            }
        }
    }
}
