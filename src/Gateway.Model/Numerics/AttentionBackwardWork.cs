namespace Gateway.Model.Numerics;

/// <summary>Gradients of one key head of one document, over all query heads that share it and all blocks of rows in order.</summary>
internal readonly unsafe struct AttentionBackwardWork(
    Kernels kernels, Scratch[] scratch, AttentionShape shape, int* starts, float* q, float* k, float* v, float* o, float* logSumExp, float* dO, float* dq, float* dk, float* dv) : IChunkedWork
{
    private const int PanelWidth = PackedMatrix.PanelWidth;

    public void Run(int chunk, int worker)
    {
        int kvHead = chunk % shape.KvHeads;
        int start = starts[chunk / shape.KvHeads];
        int length = starts[(chunk / shape.KvHeads) + 1] - start;
        if (length == 0)
        {
            return;
        }

        // 1. Pack Kᵀ for the scores, Vᵀ for the gradients of probabilities, K for dQ. All depend on the document only.
        int d = shape.D;
        int paddedLength = AttentionShape.RoundUp(length);
        int paddedD = AttentionShape.RoundUp(d);
        long blockScores = (long)AttentionShape.QueryBlock * AttentionShape.ScoreStride(length);
        long blockRows = (long)AttentionShape.QueryBlock * paddedD;
        float* keysTransposed = scratch[worker].Reserve((2L * paddedLength * d) + ((long)paddedLength * paddedD) + (2 * blockScores) + (2 * blockRows));
        float* valuesTransposed = keysTransposed + ((long)paddedLength * d);
        float* keys = valuesTransposed + ((long)paddedLength * d);
        float* probabilities = keys + ((long)paddedLength * paddedD);
        float* gradients = probabilities + blockScores;
        float* queryPanels = gradients + blockScores;
        float* outputPanels = queryPanels + blockRows;
        nint keyOffset = (start * shape.KeyStride) + ((nint)kvHead * d);
        Panel.PackAllTransposed(k + keyOffset, shape.KeyStride, d, length, keysTransposed);
        Panel.PackAllTransposed(v + keyOffset, shape.KeyStride, d, length, valuesTransposed);
        Panel.PackAll(k + keyOffset, shape.KeyStride, length, d, keys);
        for (int row = 0; row < length; row++)
        {
            new Span<float>(dk + keyOffset + (row * shape.KeyStride), d).Clear();
            new Span<float>(dv + keyOffset + (row * shape.KeyStride), d).Clear();
        }

        for (int head = kvHead * shape.Group; head < (kvHead + 1) * shape.Group; head++)
        {
            for (int first = 0; first < length; first += AttentionShape.QueryBlock)
            {
                int rows = Math.Min(AttentionShape.QueryBlock, length - first);
                int keyCount = first + rows;
                int stride = AttentionShape.ScoreStride(keyCount);
                nint offset = ((start + first) * shape.QueryStride) + ((nint)head * d);

                // 2. Scores and the gradients of probabilities, dP = dO·Vᵀ.
                kernels.Multiply(q + offset, shape.QueryStride, 1, rows, keysTransposed, (nint)d * PanelWidth, d, keyCount, probabilities, stride, accumulate: false);
                kernels.Multiply(dO + offset, shape.QueryStride, 1, rows, valuesTransposed, (nint)d * PanelWidth, d, keyCount, gradients, stride, accumulate: false);

                // 3. Probabilities again, then gradients of scores, dS = P∘(dP − dO·o)/√d; zero above the diagonal.
                for (int row = 0; row < rows; row++)
                {
                    float* p = probabilities + ((nint)row * stride);
                    float* g = gradients + ((nint)row * stride);
                    float delta = kernels.Dot(dO + offset + (row * shape.QueryStride), o + offset + (row * shape.QueryStride), d);
                    float lse = logSumExp[((nint)(start + first + row) * shape.Heads) + head];
                    kernels.SoftmaxFromLogSumExp(p, first + row + 1, keyCount, shape.ScoreScale, lse);
                    kernels.SoftmaxBackward(p, g, first + row + 1, keyCount, shape.ScoreScale, delta);
                }

                // 4. dQ = dS·K; dK += dSᵀ·Q and dV += Pᵀ·dO, whose left sides are read transposed.
                kernels.Multiply(gradients, stride, 1, rows, keys, (nint)length * PanelWidth, keyCount, d, dq + offset, shape.QueryStride, accumulate: false);
                Panel.PackAll(q + offset, shape.QueryStride, rows, d, queryPanels);
                Panel.PackAll(dO + offset, shape.QueryStride, rows, d, outputPanels);
                kernels.Multiply(gradients, 1, stride, keyCount, queryPanels, (nint)rows * PanelWidth, rows, d, dk + keyOffset, shape.KeyStride, accumulate: true);
                kernels.Multiply(probabilities, 1, stride, keyCount, outputPanels, (nint)rows * PanelWidth, rows, d, dv + keyOffset, shape.KeyStride, accumulate: true);
            }
        }
    }
}
