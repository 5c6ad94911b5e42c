namespace Gateway.Model.Numerics;

internal abstract unsafe partial class LaneKernels<TLanes>
{
    // Three passes over the sequence: all scores, softmax, weighted sum of values in the order of positions. Every
    // pass depends only on the row, so whole, chunked and token-by-token prefill give the same bits.
    internal override void PagedAttention(float* q, int d, in PagedRow row, float* keys, float* values, nint blockStride, float* scores, float* o)
    {
        int tokens = row.Position + 1;
        for (int first = 0; first < tokens; first += PagedRow.BlockTokens)
        {
            float* key = keys + (row.Blocks[first / PagedRow.BlockTokens] * blockStride);
            int count = Math.Min(PagedRow.BlockTokens, tokens - first);
            for (int token = 0; token < count; token++, key += d)
            {
                scores[first + token] = Dot(q, key, d);
            }
        }

        Softmax(scores, tokens, tokens, 1f / MathF.Sqrt(d));
        for (int i = 0; i < d; i += Lanes)
        {
            TLanes sum = TLanes.Zero;
            for (int first = 0; first < tokens; first += PagedRow.BlockTokens)
            {
                float* value = values + (row.Blocks[first / PagedRow.BlockTokens] * blockStride) + i;
                int count = Math.Min(PagedRow.BlockTokens, tokens - first);
                for (int token = 0; token < count; token++, value += d)
                {
                    sum = TLanes.FusedMultiplyAdd(TLanes.Broadcast(scores[first + token]), Load(value, d - i), sum);
                }
            }

            Store(o + i, sum, d - i);
        }
    }
}
