namespace Gateway.Model.Numerics;

public sealed unsafe partial class Compute
{
    /// <summary>Serving attention over a paged cache: row r attends to positions 0..Position of its own sequence.</summary>
    /// <param name="q">[rows, heads·d]; rotated in place when there are fresh keys.</param>
    /// <param name="tiles">All rows once, in tiles of consecutive positions of one sequence.</param>
    /// <param name="rows">Where each row's sequence lies.</param>
    /// <param name="slab">Keys and values of one layer.</param>
    /// <param name="fresh">Keys and values of the rows, which every tile puts into the cache before it reads there; only when no tile reads the rows of another.</param>
    /// <param name="o">[rows, heads·d].</param>
    internal void PagedAttention(float* q, int heads, ReadOnlySpan<PagedTile> tiles, ReadOnlySpan<PagedRow> rows, in PagedSlab slab, in FreshKeys fresh, float* o)
    {
        CheckHeads(heads, slab.KvHeads);
        CheckPositions(rows, fresh);
        fixed (PagedTile* firstTile = tiles)
        fixed (PagedRow* firstRow = rows)
        {
            // Heads of a tile lie side by side in the cache: single rows for all threads take theirs in one chunk. A prompt's
            // tiles are large, so that each of their heads is a chunk.
            int perChunk = tiles.Length == rows.Length && tiles.Length >= 2 * Threads ? slab.KvHeads : 1;
            OverRange(tiles.Length * slab.KvHeads, perChunk, new PagedAttentionWork(q, heads, firstTile, firstRow, slab, fresh, o));
        }
    }

    /// <summary>Rotates queries and keys, and writes the key and value of every row to its place in the cache.</summary>
    /// <param name="q">[rows, heads·d].</param>
    /// <param name="fresh">Keys and values [rows, kvHeads·d].</param>
    internal void RotateAndStore(float* q, int heads, in FreshKeys fresh, ReadOnlySpan<PagedRow> rows, in PagedSlab slab)
    {
        CheckHeads(heads, slab.KvHeads);
        CheckPositions(rows, fresh);
        fixed (PagedRow* firstRow = rows)
        {
            OverRange(rows.Length, 4, new RotateAndStoreWork(q, heads, fresh, firstRow, slab));
        }
    }

    /// <summary>Training attention: causal within each document, softmax(q·kᵀ/√d)·v by blocks of query rows.</summary>
    /// <param name="q">[rows, heads·d]; k and v are [rows, kvHeads·d], o is like q.</param>
    /// <param name="documentStarts">[0, …, rows]: the row at which each document starts, and the end.</param>
    /// <param name="logSumExp">[rows, heads], for the backward pass.</param>
    public void CausalAttention(float* q, float* k, float* v, int rows, int heads, int kvHeads, int d, ReadOnlySpan<int> documentStarts, float* o, float* logSumExp)
    {
        CheckHeads(heads, kvHeads);
        CheckDocuments(documentStarts, rows);
        var shape = new AttentionShape(heads, kvHeads, d);
        fixed (int* starts = documentStarts)
        {
            // 1. Pack keys (transposed) and values of every document and key head, once for all its query blocks.
            int documents = documentStarts.Length - 1;
            float* packed = _shared.Reserve(shape.PackedFloats(rows, documents));
            var packing = new AttentionPackWork(shape, starts, k, v, packed);
            _team.Run(documents * kvHeads, ref packing);

            // 2. Attend, one block of query rows of one head at a time.
            int blocks = 0;
            for (int document = 0; document < documents; document++)
            {
                blocks += AttentionShape.QueryBlocks(starts[document + 1] - starts[document]);
            }

            var work = new AttentionForwardWork(Kernels, _private, shape, starts, q, packed, o, logSumExp);
            _team.Run(blocks * heads, ref work);
        }
    }

    /// <summary>Overwrites <paramref name="dq"/>, <paramref name="dk"/> and <paramref name="dv"/> with the gradients of <see cref="CausalAttention"/>.</summary>
    /// <remarks>Probabilities are computed again from <paramref name="logSumExp"/> (FlashAttention, Dao et al. 2022).</remarks>
    public void CausalAttentionBackward(float* q, float* k, float* v, float* o, float* logSumExp, float* dO, int rows, int heads, int kvHeads, int d, ReadOnlySpan<int> documentStarts, float* dq, float* dk, float* dv)
    {
        CheckHeads(heads, kvHeads);
        CheckDocuments(documentStarts, rows);
        fixed (int* starts = documentStarts)
        {
            // A key head of a document is one chunk: its gradients add up over query blocks and heads in a fixed order.
            var shape = new AttentionShape(heads, kvHeads, d);
            var work = new AttentionBackwardWork(Kernels, _private, shape, starts, q, k, v, o, logSumExp, dO, dq, dk, dv);
            _team.Run((documentStarts.Length - 1) * kvHeads, ref work);
        }
    }

    private static void CheckHeads(int heads, int kvHeads)
    {
        if (kvHeads < 1 || heads % kvHeads != 0)
        {
            throw new ArgumentException($"{heads} query heads cannot share {kvHeads} key heads: the first must be a multiple of the second.", nameof(kvHeads));
        }
    }

    private static void CheckPositions(ReadOnlySpan<PagedRow> rows, in FreshKeys fresh)
    {
        for (int row = 0; fresh.Any && row < rows.Length; row++)
        {
            RequireRotation(rows[row].Position, row, fresh.ContextLength);
        }
    }

    private static void CheckDocuments(ReadOnlySpan<int> starts, int rows)
    {
        bool ordered = starts.Length > 0 && starts[0] == 0 && starts[^1] == rows;
        for (int i = 1; ordered && i < starts.Length; i++)
        {
            ordered = starts[i] >= starts[i - 1];
        }

        if (!ordered)
        {
            throw new ArgumentException($"Document starts must rise from 0 to the number of rows ({rows}).", nameof(starts));
        }
    }

    private readonly struct PagedAttentionWork(float* q, int heads, PagedTile* tiles, PagedRow* rows, PagedSlab slab, FreshKeys fresh, float* o) : IRangeWork
    {
        public void Run(Kernels kernels, int first, int count, Scratch scratch)
        {
            int group = heads / slab.KvHeads;
            for (int item = first; item < first + count; item++)
            {
                PagedTile tile = tiles[item / slab.KvHeads];
                int kvHead = item % slab.KvHeads;
                PagedRow row = rows[tile.FirstRow];
                nint stride = (nint)heads * slab.D;
                nint offset = (tile.FirstRow * stride) + ((nint)kvHead * group * slab.D);
                for (int i = 0; fresh.Any && i < tile.Rows; i++)
                {
                    fresh.Store(kernels, tile.FirstRow + i, rows[tile.FirstRow + i], slab, kvHead, q + offset + (i * stride), group);
                }

                var queries = new PagedQueries(q + offset, o + offset, stride, tile.Rows, group, slab.D, row.Position);
                kernels.PagedAttention(queries, slab.Of(row.Blocks, row.Position + tile.Rows, kvHead), scratch.Reserve(Kernels.PagedScratchFloats(tile.Rows * group, slab.D)));
            }
        }
    }

    private readonly struct RotateAndStoreWork(float* q, int heads, FreshKeys fresh, PagedRow* rows, PagedSlab slab) : IRangeWork
    {
        public void Run(Kernels kernels, int first, int count, Scratch scratch)
        {
            int group = heads / slab.KvHeads;
            for (int row = first; row < first + count; row++)
            {
                for (int kvHead = 0; kvHead < slab.KvHeads; kvHead++)
                {
                    fresh.Store(kernels, row, rows[row], slab, kvHead, q + ((((nint)row * heads) + (kvHead * group)) * slab.D), group);
                }
            }
        }
    }
}
