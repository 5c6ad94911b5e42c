namespace Gateway.Model.Numerics;

public sealed unsafe partial class Compute
{
    /// <summary>Serving attention over a paged cache: row r attends to positions 0..Position of its own sequence.</summary>
    /// <param name="q">[rows, heads·d].</param>
    /// <param name="tiles">All rows once, in tiles of consecutive positions of one sequence.</param>
    /// <param name="rows">Where each row's sequence lies.</param>
    /// <param name="slab">Keys and values of one layer.</param>
    /// <param name="o">[rows, heads·d].</param>
    public void PagedAttention(float* q, int heads, ReadOnlySpan<PagedTile> tiles, ReadOnlySpan<PagedRow> rows, in PagedSlab slab, float* o)
    {
        CheckHeads(heads, slab.KvHeads);
        fixed (PagedTile* firstTile = tiles)
        fixed (PagedRow* firstRow = rows)
        {
            // Heads of a tile lie side by side in the cache: single rows for all threads take theirs in one chunk. A prompt's
            // tiles are large, so that each of their heads is a chunk.
            int perChunk = tiles.Length == rows.Length && tiles.Length >= 2 * Threads ? slab.KvHeads : 1;
            OverRange(tiles.Length * slab.KvHeads, perChunk, new PagedAttentionWork(q, heads, firstTile, firstRow, slab, o));
        }
    }

    /// <summary>Writes the key and value of every row to its place in the cache.</summary>
    /// <param name="k">[rows, kvHeads·d]; v is like k.</param>
    public void StoreKeyValues(float* k, float* v, ReadOnlySpan<PagedRow> rows, in PagedSlab slab)
    {
        fixed (PagedRow* firstRow = rows)
        {
            OverRange(rows.Length, 4, new StoreKeyValuesWork(k, v, firstRow, slab));
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

    private readonly struct PagedAttentionWork(float* q, int heads, PagedTile* tiles, PagedRow* rows, PagedSlab slab, float* o) : IRangeWork
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
                var queries = new PagedQueries(q + offset, o + offset, stride, tile.Rows, group, slab.D, row.Position);
                kernels.PagedAttention(queries, slab.Of(row.Blocks, row.Position + tile.Rows, kvHead), scratch.Reserve(Kernels.PagedScratchFloats(tile.Rows * group, slab.D)));
            }
        }
    }

    private readonly struct StoreKeyValuesWork(float* k, float* v, PagedRow* rows, PagedSlab slab) : IRangeWork
    {
        public void Run(Kernels kernels, int first, int count, Scratch scratch)
        {
            for (int row = first; row < first + count; row++)
            {
                int position = rows[row].Position;
                for (int kvHead = 0; kvHead < slab.KvHeads; kvHead++)
                {
                    PagedKeys place = slab.Of(rows[row].Blocks, position + 1, kvHead);
                    nint source = (((nint)row * slab.KvHeads) + kvHead) * slab.D;
                    kernels.StoreKeyValue(k + source, v + source, slab.D, place.Bfloat16, place.Keys(position), place.Values(position), position % PagedRow.BlockTokens);
                }
            }
        }
    }
}
