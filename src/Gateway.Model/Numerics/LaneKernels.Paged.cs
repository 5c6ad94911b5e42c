namespace Gateway.Model.Numerics;

internal abstract unsafe partial class LaneKernels<TLanes>
{
    /// <summary>Dimensions of the values that are summed together: four independent chains hide the latency of an addition.</summary>
    private const int ValueGroup = 4 * Lanes;

    // Three passes over the sequence: all scores, softmax, weighted sum of values in the order of positions. Every
    // pass depends only on the row, so whole, chunked and token-by-token prefill give the same bits.
    internal override void PagedAttention(float* q, int d, in PagedRow row, float* keys, float* values, nint blockStride, float* scores, float* o)
    {
        int tokens = row.Position + 1;
        for (int first = 0; first < tokens; first += PagedRow.BlockTokens)
        {
            float* block = keys + (row.Blocks[first / PagedRow.BlockTokens] * blockStride);
            Scores(q, d, block, Math.Min(PagedRow.BlockTokens, tokens - first), scores + first);
        }

        Softmax(scores, tokens, tokens, 1f / MathF.Sqrt(d));
        int i = 0;
        for (; i + ValueGroup <= d; i += ValueGroup)
        {
            WeighFourVectors(row, tokens, scores, values + i, d, blockStride, o + i);
        }

        for (; i < d; i += Lanes)
        {
            WeighOneVector(row, tokens, scores, values + i, d, blockStride, o + i, d - i);
        }
    }

    /// <summary>Dot products of a query with the keys of one block, four keys at a time.</summary>
    private static void Scores(float* q, int d, float* key, int tokens, float* scores)
    {
        int token = 0;
        for (; token + 4 <= tokens; token += 4, key += 4 * (nint)d)
        {
            TLanes sum0 = TLanes.Zero, sum1 = TLanes.Zero, sum2 = TLanes.Zero, sum3 = TLanes.Zero;
            for (int i = 0; i < d; i += Lanes)
            {
                TLanes query = Load(q + i, d - i);
                sum0 = TLanes.FusedMultiplyAdd(query, Load(key + i, d - i), sum0);
                sum1 = TLanes.FusedMultiplyAdd(query, Load(key + d + i, d - i), sum1);
                sum2 = TLanes.FusedMultiplyAdd(query, Load(key + (2 * d) + i, d - i), sum2);
                sum3 = TLanes.FusedMultiplyAdd(query, Load(key + (3 * d) + i, d - i), sum3);
            }

            scores[token] = TLanes.Sum(sum0);
            scores[token + 1] = TLanes.Sum(sum1);
            scores[token + 2] = TLanes.Sum(sum2);
            scores[token + 3] = TLanes.Sum(sum3);
        }

        for (; token < tokens; token++, key += d)
        {
            scores[token] = DotProduct(q, key, d);
        }
    }

    private static void WeighFourVectors(in PagedRow row, int tokens, float* weights, float* values, int d, nint blockStride, float* o)
    {
        TLanes sum0 = TLanes.Zero, sum1 = TLanes.Zero, sum2 = TLanes.Zero, sum3 = TLanes.Zero;
        for (int first = 0; first < tokens; first += PagedRow.BlockTokens)
        {
            float* value = values + (row.Blocks[first / PagedRow.BlockTokens] * blockStride);
            int count = Math.Min(PagedRow.BlockTokens, tokens - first);
            for (int token = 0; token < count; token++, value += d)
            {
                TLanes weight = TLanes.Broadcast(weights[first + token]);
                sum0 = TLanes.FusedMultiplyAdd(weight, TLanes.Load(value), sum0);
                sum1 = TLanes.FusedMultiplyAdd(weight, TLanes.Load(value + Lanes), sum1);
                sum2 = TLanes.FusedMultiplyAdd(weight, TLanes.Load(value + (2 * Lanes)), sum2);
                sum3 = TLanes.FusedMultiplyAdd(weight, TLanes.Load(value + (3 * Lanes)), sum3);
            }
        }

        TLanes.Store(o, sum0);
        TLanes.Store(o + Lanes, sum1);
        TLanes.Store(o + (2 * Lanes), sum2);
        TLanes.Store(o + (3 * Lanes), sum3);
    }

    private static void WeighOneVector(in PagedRow row, int tokens, float* weights, float* values, int d, nint blockStride, float* o, int left)
    {
        TLanes sum = TLanes.Zero;
        for (int first = 0; first < tokens; first += PagedRow.BlockTokens)
        {
            float* value = values + (row.Blocks[first / PagedRow.BlockTokens] * blockStride);
            int count = Math.Min(PagedRow.BlockTokens, tokens - first);
            for (int token = 0; token < count; token++, value += d)
            {
                sum = TLanes.FusedMultiplyAdd(TLanes.Broadcast(weights[first + token]), Load(value, left), sum);
            }
        }

        Store(o, sum, left);
    }
}
