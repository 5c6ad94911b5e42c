namespace Gateway.Model.Numerics;

public sealed unsafe partial class Compute
{
    /// <summary>Columns of the wide side that one chunk handles at least.</summary>
    private const int OuterProductColumns = 64;

    /// <summary>
    /// Gradient of a low-rank factor stored [rank, columns]: gradient[j, c] += Σ_t narrow[t, j]·wide[t, c] for t in
    /// 0..depth-1, in that order.
    /// </summary>
    /// <param name="narrow">[depth, rank] without gaps, such as the inner product of an adapter.</param>
    /// <param name="wide">[depth, columns] without gaps; it is read where it lies, not copied.</param>
    public void AddOuterProducts(float* narrow, int rank, float* wide, int columns, int depth, float* gradient) =>
        AddOuterProducts(narrow, rank, wide, columns, depth, gradient, columns, 1);

    /// <summary>As <see cref="AddOuterProducts(float*, int, float*, int, int, float*)"/> for a factor stored transposed, [columns, rank].</summary>
    /// <inheritdoc cref="AddOuterProducts(float*, int, float*, int, int, float*)"/>
    public void AddOuterProductsTransposed(float* narrow, int rank, float* wide, int columns, int depth, float* gradient) =>
        AddOuterProducts(narrow, rank, wide, columns, depth, gradient, 1, rank);

    private void AddOuterProducts(float* narrow, int rank, float* wide, int columns, int depth, float* gradient, nint rankStride, nint columnStride)
    {
        int share = (columns + (4 * Threads) - 1) / (4 * Threads);
        int perChunk = Math.Max(OuterProductColumns, (share + 31) / 32 * 32);
        for (int j = 0; j < rank; j += Kernels.OuterProductRank)
        {
            int ranks = Math.Min(Kernels.OuterProductRank, rank - j);
            float* left = rank == Kernels.OuterProductRank ? narrow : CopyGroup(narrow + j, rank, ranks, depth);
            OverRange(columns, perChunk, new OuterProductWork(left, ranks, wide, columns, depth, gradient + (j * rankStride), rankStride, columnStride));
        }
    }

    /// <summary>One group of neighbouring columns of the narrow side, padded with zeros.</summary>
    private float* CopyGroup(float* narrow, nint stride, int ranks, int depth)
    {
        float* group = _shared.Reserve((long)depth * Kernels.OuterProductRank);
        for (int t = 0; t < depth; t++)
        {
            for (int i = 0; i < Kernels.OuterProductRank; i++)
            {
                group[(t * Kernels.OuterProductRank) + i] = i < ranks ? narrow[(t * stride) + i] : 0f;
            }
        }

        return group;
    }

    private readonly struct OuterProductWork(float* narrow, int ranks, float* wide, nint stride, int depth, float* gradient, nint rankStride, nint columnStride) : IRangeWork
    {
        public void Run(Kernels kernels, int first, int count, Scratch scratch)
        {
            // The chains start at the gradient, which comes and goes through the scratch: there it lies row after row.
            float* target = gradient + (first * columnStride);
            float* sums = scratch.Reserve((long)Kernels.OuterProductRank * count);
            new Span<float>(sums, Kernels.OuterProductRank * count).Clear();
            for (int i = 0; i < ranks; i++)
            {
                for (int c = 0; c < count; c++)
                {
                    sums[(i * count) + c] = target[(i * rankStride) + (c * columnStride)];
                }
            }

            kernels.AddOuterProducts(narrow, wide + first, stride, depth, count, sums);
            for (int i = 0; i < ranks; i++)
            {
                for (int c = 0; c < count; c++)
                {
                    target[(i * rankStride) + (c * columnStride)] = sums[(i * count) + c];
                }
            }
        }
    }
}
