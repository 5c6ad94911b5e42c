namespace Gateway.Model.Numerics;

/// <summary>Attends one block of query rows of one head over the packed keys and values of its document.</summary>
internal readonly unsafe struct AttentionForwardWork(
    Kernels kernels, Scratch[] scratch, AttentionShape shape, int* starts, float* q, float* packed, float* o, float* logSumExp) : IChunkedWork
{
    public void Run(int chunk, int worker)
    {
        // 1. Find the document and the block of rows.
        int head = chunk % shape.Heads;
        int block = chunk / shape.Heads;
        int document = 0;
        while (block >= AttentionShape.QueryBlocks(starts[document + 1] - starts[document]))
        {
            block -= AttentionShape.QueryBlocks(starts[document + 1] - starts[document]);
            document++;
        }

        int start = starts[document];
        int length = starts[document + 1] - start;
        int first = block * AttentionShape.QueryBlock;
        int rows = Math.Min(AttentionShape.QueryBlock, length - first);
        int keys = first + rows;
        int stride = AttentionShape.ScoreStride(keys);
        float* scores = scratch[worker].Reserve((long)rows * stride);
        float* keyPanels = packed + shape.KeyOffset(document, start, length, head / shape.Group);
        float* valuePanels = keyPanels + shape.KeyFloats(length);
        nint offset = ((start + first) * shape.QueryStride) + ((nint)head * shape.D);

        // 2. Scores of the rows against every key up to the last row's own.
        kernels.Multiply(q + offset, shape.QueryStride, 1, rows, keyPanels, (nint)shape.D * PackedMatrix.PanelWidth, shape.D, keys, scores, stride, accumulate: false);

        // 3. Softmax of the part below the diagonal; the rest becomes zero, which adds nothing to the chains of step 4.
        for (int row = 0; row < rows; row++)
        {
            logSumExp[((nint)(start + first + row) * shape.Heads) + head] = kernels.Softmax(scores + ((nint)row * stride), first + row + 1, keys, shape.ScoreScale);
        }

        // 4. Weighted sum of the values.
        kernels.Multiply(scores, stride, 1, rows, valuePanels, (nint)length * PackedMatrix.PanelWidth, keys, shape.D, o + offset, shape.QueryStride, accumulate: false);
    }
}
