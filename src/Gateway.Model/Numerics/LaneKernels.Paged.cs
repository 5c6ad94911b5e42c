using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics.X86;

namespace Gateway.Model.Numerics;

internal abstract unsafe partial class LaneKernels<TLanes>
{
    /// <summary>Keys between two corrections of the running maximum; borders lie at fixed positions, so every chunking gives the same bits.</summary>
    private const int Stretch = 4 * PagedRow.BlockTokens;

    /// <summary>Queries that share the loads of a key or value.</summary>
    private const int Quad = 4;

    [MethodImpl(MethodImplOptions.NoInlining)]
    internal override void PagedAttention(in PagedQueries queries, in PagedKeys cache, float* scratch)
    {
        if (cache.Bfloat16)
        {
            Attend<Bfloat16Store>(queries, cache, scratch);
        }
        else
        {
            Attend<SingleStore>(queries, cache, scratch);
        }
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    internal override void StoreKeyValue(float* key, float* value, int d, bool bfloat16, byte* keys, byte* values, int token)
    {
        if (bfloat16)
        {
            StoreKeyValue<Bfloat16Store>(key, value, d, keys, values, token);
        }
        else
        {
            StoreKeyValue<SingleStore>(key, value, d, keys, values, token);
        }
    }

    private static void StoreKeyValue<TStore>(float* key, float* value, int d, byte* keys, byte* values, int token)
        where TStore : struct, IStore
    {
        for (int i = 0; i < d; i++)
        {
            TStore.Store(keys + (((i * PagedRow.BlockTokens) + token) * TStore.Bytes), key[i]);
        }

        values += token * PagedKeys.RoundUp(d) * TStore.Bytes;
        for (int i = 0; i < d; i += Lanes)
        {
            TStore.StoreLanes(values + (i * TStore.Bytes), Load(value + i, d - i));
        }
    }

    /// <summary>
    /// Online softmax (Milakov and Gimelshein 2018) over stretches of 64 keys: 1. scores of four queries at a time; 2. new
    /// maximum, old sums scaled to it, weights e^(score − maximum); 3. weighted values added in the order of positions.
    /// What a query sees past its own position weighs exactly zero, so its bits do not depend on its companions.
    /// </summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void Attend<TStore>(in PagedQueries queries, in PagedKeys cache, float* scratch)
        where TStore : struct, IStore
    {
        int count = queries.Rows * queries.Group;
        int width = PagedKeys.RoundUp(queries.D);
        float* weights = scratch;
        float* sums = weights + (Quad * Stretch);
        float* totals = sums + ((nint)(count + Quad) * width);
        float* maxima = totals + ((nint)(count + Quad) * Lanes);
        new Span<float>(sums, (count + Quad) * (width + Lanes)).Clear();
        new Span<float>(maxima, count + Quad).Fill(float.NegativeInfinity);
        float scale = 1f / MathF.Sqrt(queries.D);
        for (int start = 0; start < queries.Position + queries.Rows; start += Stretch)
        {
            int first = Math.Max(0, start - queries.Position) * queries.Group;
            for (int query = first; query < count; query += Quad)
            {
                // A quad that is not full repeats its last query, whose second result goes to a spare place.
                int last = Math.Min(query + Quad, count) - 1;
                int tokens = Math.Min(Stretch, queries.Position + (last / queries.Group) + 1 - start);
                float* q1 = queries.Query(Math.Min(query + 1, last)), q2 = queries.Query(Math.Min(query + 2, last));
                if (TLanes.HoldsSixteen)
                {
                    Scores<TStore>(queries.Query(query), q1, q2, queries.Query(last), queries.D, cache, start, tokens, weights);
                }
                else
                {
                    ScoresByHalves<TStore>(queries.Query(query), q1, q2, queries.Query(last), queries.D, cache, start, tokens, weights);
                }

                for (int i = 0; i < Quad; i++)
                {
                    int place = query + i <= last ? query + i : count + i;
                    int valid = Math.Min(Stretch, queries.Position + (Math.Min(query + i, last) / queries.Group) + 1 - start);
                    Weigh(weights + (i * Stretch), valid, tokens, scale, sums + ((nint)place * width), width, totals + ((nint)place * Lanes), maxima + place);
                }

                float* sum1 = sums + ((nint)(query + 1 <= last ? query + 1 : count + 1) * width);
                float* sum2 = sums + ((nint)(query + 2 <= last ? query + 2 : count + 2) * width);
                float* sum3 = sums + ((nint)(query + 3 <= last ? query + 3 : count + 3) * width);
                AddValues<TStore>(weights, cache, start, tokens, width, sums + ((nint)query * width), sum1, sum2, sum3);
            }
        }

        for (int query = 0; query < count; query++)
        {
            TLanes inverse = TLanes.Broadcast(1f / TLanes.Sum(TLanes.Load(totals + ((nint)query * Lanes))));
            for (int i = 0; i < queries.D; i += Lanes)
            {
                Store(queries.Output(query) + i, TLanes.Multiply(TLanes.Load(sums + ((nint)query * width) + i), inverse), queries.D - i);
            }
        }
    }

    /// <summary>Dot products of four queries with up to 64 keys: two chains each, over the even and the odd dimensions.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Scores<TStore>(float* q0, float* q1, float* q2, float* q3, int d, in PagedKeys cache, int start, int tokens, float* scores)
        where TStore : struct, IStore
    {
        for (int token = 0; token < tokens; token += PagedRow.BlockTokens)
        {
            // Values of the same tokens are wanted next; they come while the scores are computed.
            byte* key = cache.Keys(start + token);
            byte* ahead = cache.Values(start + token);
            TLanes even0 = TLanes.Zero, even1 = TLanes.Zero, even2 = TLanes.Zero, even3 = TLanes.Zero;
            TLanes odd0 = TLanes.Zero, odd1 = TLanes.Zero, odd2 = TLanes.Zero, odd3 = TLanes.Zero;
            for (int i = 0; i < d; i += 2)
            {
                TLanes even = TStore.LoadLanes<TLanes>(key);
                even0 = TLanes.FusedMultiplyAdd(TLanes.Broadcast(q0[i]), even, even0);
                even1 = TLanes.FusedMultiplyAdd(TLanes.Broadcast(q1[i]), even, even1);
                even2 = TLanes.FusedMultiplyAdd(TLanes.Broadcast(q2[i]), even, even2);
                even3 = TLanes.FusedMultiplyAdd(TLanes.Broadcast(q3[i]), even, even3);
                TLanes odd = TStore.LoadLanes<TLanes>(key + (PagedRow.BlockTokens * TStore.Bytes));
                odd0 = TLanes.FusedMultiplyAdd(TLanes.Broadcast(q0[i + 1]), odd, odd0);
                odd1 = TLanes.FusedMultiplyAdd(TLanes.Broadcast(q1[i + 1]), odd, odd1);
                odd2 = TLanes.FusedMultiplyAdd(TLanes.Broadcast(q2[i + 1]), odd, odd2);
                odd3 = TLanes.FusedMultiplyAdd(TLanes.Broadcast(q3[i + 1]), odd, odd3);
                Prefetch(ahead);
                key += 2 * PagedRow.BlockTokens * TStore.Bytes;
                ahead += 2 * PagedRow.BlockTokens * TStore.Bytes;
            }

            TLanes.Store(scores + token, TLanes.Add(even0, odd0));
            TLanes.Store(scores + Stretch + token, TLanes.Add(even1, odd1));
            TLanes.Store(scores + (2 * Stretch) + token, TLanes.Add(even2, odd2));
            TLanes.Store(scores + (3 * Stretch) + token, TLanes.Add(even3, odd3));
        }
    }

    /// <summary>The bits of <see cref="Scores"/> with half of its sums at a time: first the even dimensions, then the odd ones.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    private static void ScoresByHalves<TStore>(float* q0, float* q1, float* q2, float* q3, int d, in PagedKeys cache, int start, int tokens, float* scores)
        where TStore : struct, IStore
    {
        for (int token = 0; token < tokens; token += PagedRow.BlockTokens, scores += PagedRow.BlockTokens)
        {
            byte* keys = cache.Keys(start + token);
            byte* ahead = cache.Values(start + token);
            for (int half = 0; half < 2; half++)
            {
                byte* key = keys + (half * PagedRow.BlockTokens * TStore.Bytes);
                TLanes sum0 = TLanes.Zero, sum1 = TLanes.Zero, sum2 = TLanes.Zero, sum3 = TLanes.Zero;
                for (int i = half; i < d; i += 2, key += 2 * PagedRow.BlockTokens * TStore.Bytes)
                {
                    TLanes value = TStore.LoadLanes<TLanes>(key);
                    sum0 = TLanes.FusedMultiplyAdd(TLanes.Broadcast(q0[i]), value, sum0);
                    sum1 = TLanes.FusedMultiplyAdd(TLanes.Broadcast(q1[i]), value, sum1);
                    sum2 = TLanes.FusedMultiplyAdd(TLanes.Broadcast(q2[i]), value, sum2);
                    sum3 = TLanes.FusedMultiplyAdd(TLanes.Broadcast(q3[i]), value, sum3);
                    Prefetch(ahead);
                    ahead += PagedRow.BlockTokens * TStore.Bytes;
                }

                if (half > 0)
                {
                    sum0 = TLanes.Add(TLanes.Load(scores), sum0);
                    sum1 = TLanes.Add(TLanes.Load(scores + Stretch), sum1);
                    sum2 = TLanes.Add(TLanes.Load(scores + (2 * Stretch)), sum2);
                    sum3 = TLanes.Add(TLanes.Load(scores + (3 * Stretch)), sum3);
                }

                TLanes.Store(scores, sum0);
                TLanes.Store(scores + Stretch, sum1);
                TLanes.Store(scores + (2 * Stretch), sum2);
                TLanes.Store(scores + (3 * Stretch), sum3);
            }
        }
    }

    /// <summary>Turns the scores of one query into weights and brings its sums to the new maximum.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void Weigh(float* scores, int valid, int tokens, float scale, float* sums, int width, float* totals, float* maximum)
    {
        float highest = Max(scores, valid) * scale;
        if (highest > *maximum)
        {
            if (*maximum > float.NegativeInfinity)
            {
                TLanes factor = Exp(TLanes.Broadcast(*maximum - highest));
                TLanes.Store(totals, TLanes.Multiply(TLanes.Load(totals), factor));
                for (int i = 0; i < width; i += Lanes)
                {
                    TLanes.Store(sums + i, TLanes.Multiply(TLanes.Load(sums + i), factor));
                }
            }

            *maximum = highest;
        }

        TLanes shift = TLanes.Broadcast(-*maximum);
        TLanes scales = TLanes.Broadcast(scale);
        int padded = PagedKeys.RoundUp(tokens);
        for (int i = 0; i < valid; i += Lanes)
        {
            TLanes.Store(scores + i, Exp(TLanes.FusedMultiplyAdd(TLanes.Load(scores + i), scales, shift)));
        }

        new Span<float>(scores + valid, padded - valid).Clear();
        TLanes total = TLanes.Load(totals);
        for (int i = 0; i < valid; i += Lanes)
        {
            total = TLanes.Add(total, TLanes.Load(scores + i));
        }

        TLanes.Store(totals, total);
    }

    private static void AddValues<TStore>(float* weights, in PagedKeys cache, int start, int tokens, int width, float* sum0, float* sum1, float* sum2, float* sum3)
        where TStore : struct, IStore
    {
        int i = 0;
        for (; TLanes.HoldsSixteen && i + (4 * Lanes) <= width; i += 4 * Lanes)
        {
            AddFourVectors<TStore>(weights, cache, start, tokens, width, i, sum0 + i, sum1 + i, sum2 + i, sum3 + i);
        }

        for (; i < width; i += Lanes)
        {
            AddOneVector<TStore>(weights, cache, start, tokens, width, i, sum0 + i, sum1 + i, sum2 + i, sum3 + i);
        }
    }

    /// <summary>64 dimensions of four queries: sixteen chains.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void AddFourVectors<TStore>(float* weights, in PagedKeys cache, int start, int tokens, int width, int first, float* sum0, float* sum1, float* sum2, float* sum3)
        where TStore : struct, IStore
    {
        TLanes s00 = TLanes.Load(sum0), s01 = TLanes.Load(sum0 + Lanes), s02 = TLanes.Load(sum0 + (2 * Lanes)), s03 = TLanes.Load(sum0 + (3 * Lanes));
        TLanes s10 = TLanes.Load(sum1), s11 = TLanes.Load(sum1 + Lanes), s12 = TLanes.Load(sum1 + (2 * Lanes)), s13 = TLanes.Load(sum1 + (3 * Lanes));
        TLanes s20 = TLanes.Load(sum2), s21 = TLanes.Load(sum2 + Lanes), s22 = TLanes.Load(sum2 + (2 * Lanes)), s23 = TLanes.Load(sum2 + (3 * Lanes));
        TLanes s30 = TLanes.Load(sum3), s31 = TLanes.Load(sum3 + Lanes), s32 = TLanes.Load(sum3 + (2 * Lanes)), s33 = TLanes.Load(sum3 + (3 * Lanes));
        for (int token = 0; token < tokens; token += PagedRow.BlockTokens)
        {
            byte* value = cache.Values(start + token) + (first * TStore.Bytes);
            byte* ahead = cache.KeysAhead(start + token + Stretch, start + token);
            int count = Math.Min(PagedRow.BlockTokens, tokens - token);
            float* weight = weights + token;
            for (int t = 0; t < count; t++, weight++, value += width * TStore.Bytes, ahead += 4 * Lanes * TStore.Bytes)
            {
                Prefetch(ahead);
                Prefetch(ahead + 64);
                TLanes v0 = TStore.LoadLanes<TLanes>(value), v1 = TStore.LoadLanes<TLanes>(value + (Lanes * TStore.Bytes));
                TLanes v2 = TStore.LoadLanes<TLanes>(value + (2 * Lanes * TStore.Bytes)), v3 = TStore.LoadLanes<TLanes>(value + (3 * Lanes * TStore.Bytes));
                TLanes w0 = TLanes.Broadcast(weight[0]);
                s00 = TLanes.FusedMultiplyAdd(w0, v0, s00);
                s01 = TLanes.FusedMultiplyAdd(w0, v1, s01);
                s02 = TLanes.FusedMultiplyAdd(w0, v2, s02);
                s03 = TLanes.FusedMultiplyAdd(w0, v3, s03);
                TLanes w1 = TLanes.Broadcast(weight[Stretch]);
                s10 = TLanes.FusedMultiplyAdd(w1, v0, s10);
                s11 = TLanes.FusedMultiplyAdd(w1, v1, s11);
                s12 = TLanes.FusedMultiplyAdd(w1, v2, s12);
                s13 = TLanes.FusedMultiplyAdd(w1, v3, s13);
                TLanes w2 = TLanes.Broadcast(weight[2 * Stretch]);
                s20 = TLanes.FusedMultiplyAdd(w2, v0, s20);
                s21 = TLanes.FusedMultiplyAdd(w2, v1, s21);
                s22 = TLanes.FusedMultiplyAdd(w2, v2, s22);
                s23 = TLanes.FusedMultiplyAdd(w2, v3, s23);
                TLanes w3 = TLanes.Broadcast(weight[3 * Stretch]);
                s30 = TLanes.FusedMultiplyAdd(w3, v0, s30);
                s31 = TLanes.FusedMultiplyAdd(w3, v1, s31);
                s32 = TLanes.FusedMultiplyAdd(w3, v2, s32);
                s33 = TLanes.FusedMultiplyAdd(w3, v3, s33);
            }
        }

        TLanes.Store(sum0, s00);
        TLanes.Store(sum0 + Lanes, s01);
        TLanes.Store(sum0 + (2 * Lanes), s02);
        TLanes.Store(sum0 + (3 * Lanes), s03);
        TLanes.Store(sum1, s10);
        TLanes.Store(sum1 + Lanes, s11);
        TLanes.Store(sum1 + (2 * Lanes), s12);
        TLanes.Store(sum1 + (3 * Lanes), s13);
        TLanes.Store(sum2, s20);
        TLanes.Store(sum2 + Lanes, s21);
        TLanes.Store(sum2 + (2 * Lanes), s22);
        TLanes.Store(sum2 + (3 * Lanes), s23);
        TLanes.Store(sum3, s30);
        TLanes.Store(sum3 + Lanes, s31);
        TLanes.Store(sum3 + (2 * Lanes), s32);
        TLanes.Store(sum3 + (3 * Lanes), s33);
    }

    /// <summary>16 dimensions of four queries; the keys of the same dimensions are fetched for the next stretch.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    private static void AddOneVector<TStore>(float* weights, in PagedKeys cache, int start, int tokens, int width, int first, float* sum0, float* sum1, float* sum2, float* sum3)
        where TStore : struct, IStore
    {
        TLanes s0 = TLanes.Load(sum0), s1 = TLanes.Load(sum1), s2 = TLanes.Load(sum2), s3 = TLanes.Load(sum3);
        for (int token = 0; token < tokens; token += PagedRow.BlockTokens)
        {
            byte* value = cache.Values(start + token) + (first * TStore.Bytes);
            byte* ahead = cache.KeysAhead(start + token + Stretch, start + token) + (first * PagedRow.BlockTokens * TStore.Bytes);
            int count = Math.Min(PagedRow.BlockTokens, tokens - token);
            float* weight = weights + token;
            for (int t = 0; t < count; t++, weight++, value += width * TStore.Bytes, ahead += PagedRow.BlockTokens * TStore.Bytes)
            {
                Prefetch(ahead);
                TLanes v = TStore.LoadLanes<TLanes>(value);
                s0 = TLanes.FusedMultiplyAdd(TLanes.Broadcast(weight[0]), v, s0);
                s1 = TLanes.FusedMultiplyAdd(TLanes.Broadcast(weight[Stretch]), v, s1);
                s2 = TLanes.FusedMultiplyAdd(TLanes.Broadcast(weight[2 * Stretch]), v, s2);
                s3 = TLanes.FusedMultiplyAdd(TLanes.Broadcast(weight[3 * Stretch]), v, s3);
            }
        }

        TLanes.Store(sum0, s0);
        TLanes.Store(sum1, s1);
        TLanes.Store(sum2, s2);
        TLanes.Store(sum3, s3);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Prefetch(byte* address)
    {
        if (Sse.IsSupported)
        {
            Sse.Prefetch0(address);
        }
    }

    /// <summary>The type in which the cache holds keys and values.</summary>
    private interface IStore
    {
        static abstract int Bytes { get; }

        static abstract T LoadLanes<T>(byte* source)
            where T : struct, ILanes<T>;

        static abstract void StoreLanes<T>(byte* target, T value)
            where T : struct, ILanes<T>;

        static abstract void Store(byte* target, float value);
    }

    private readonly struct SingleStore : IStore
    {
        public static int Bytes => sizeof(float);

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static T LoadLanes<T>(byte* source)
            where T : struct, ILanes<T> => T.Load((float*)source);

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static void StoreLanes<T>(byte* target, T value)
            where T : struct, ILanes<T> => T.Store((float*)target, value);

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static void Store(byte* target, float value) => *(float*)target = value;
    }

    private readonly struct Bfloat16Store : IStore
    {
        public static int Bytes => sizeof(ushort);

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static T LoadLanes<T>(byte* source)
            where T : struct, ILanes<T> => T.LoadBfloat16((ushort*)source);

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static void StoreLanes<T>(byte* target, T value)
            where T : struct, ILanes<T> => T.StoreBfloat16((ushort*)target, value);

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static void Store(byte* target, float value) => *(ushort*)target = Bfloat16Matrix.FromSingle(value);
    }
}
