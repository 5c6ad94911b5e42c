namespace Gateway.Model.Numerics;

public sealed unsafe partial class Compute
{
    /// <summary>Serving attention over a paged cache: row r attends to positions 0..Position of its own sequence.</summary>
    /// <param name="q">[rows, heads·d].</param>
    /// <param name="keySlab">Keys of one layer, [block][kvHead][16 tokens][d].</param>
    /// <param name="valueSlab">Values, laid out like the keys.</param>
    /// <param name="o">[rows, heads·d].</param>
    public void PagedAttention(float* q, int rows, int heads, int kvHeads, int d, ReadOnlySpan<PagedRow> pagedRows, float* keySlab, float* valueSlab, float* o)
    {
        CheckHeads(heads, kvHeads);
        ArgumentOutOfRangeException.ThrowIfNotEqual(pagedRows.Length, rows);
        fixed (PagedRow* first = pagedRows)
        {
            OverRange(rows * heads, 1, new PagedAttentionWork(q, heads, kvHeads, d, first, keySlab, valueSlab, o));
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

    private readonly struct PagedAttentionWork(float* q, int heads, int kvHeads, int d, PagedRow* rows, float* keySlab, float* valueSlab, float* o) : IRangeWork
    {
        public void Run(Kernels kernels, int first, int count, Scratch scratch)
        {
            nint headStride = (nint)PagedRow.BlockTokens * d;
            for (int item = first; item < first + count; item++)
            {
                PagedRow row = rows[item / heads];
                nint offset = item % heads / (heads / kvHeads) * headStride;
                float* scores = scratch.Reserve(row.Position + 1 + PagedRow.BlockTokens);
                kernels.PagedAttention(q + ((nint)item * d), d, row, keySlab + offset, valueSlab + offset, kvHeads * headStride, scores, o + ((nint)item * d));
            }
        }
    }
}
