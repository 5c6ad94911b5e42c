using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics.X86;

namespace Gateway.Model.Numerics;

internal abstract unsafe partial class LaneKernels<TLanes>
{
    /// <summary>Depth that one pass covers: its rows of both sides stay in the first-level cache over neighbouring columns.</summary>
    private const int OuterProductRows = 64;

    /// <summary>Rows to ask for ahead of time: they lie pages apart, where the processor does not look ahead by itself.</summary>
    private const int PrefetchedRows = 32;

    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    internal override void AddOuterProducts(float* left, float* right, nint stride, int depth, int columns, float* sums)
    {
        for (int first = 0; first < depth; first += OuterProductRows)
        {
            int rows = Math.Min(OuterProductRows, depth - first);
            float* a = left + ((nint)first * OuterProductRank);
            float* b = right + (first * stride);
            int column = 0;
            for (; column + (2 * Lanes) <= columns; column += 2 * Lanes)
            {
                AddPair(a, b + column, stride, rows, sums + column, columns);
            }

            for (; column < columns; column += Lanes)
            {
                AddSingle(a, b + column, stride, rows, Math.Min(Lanes, columns - column), sums + column, columns);
            }
        }
    }

    /// <summary>8 × 32 sums in 16 registers of 16 lanes.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void AddPair(float* left, float* right, nint stride, int depth, float* sums, nint columns)
    {
        TLanes low0 = TLanes.Load(sums), high0 = TLanes.Load(sums + Lanes);
        TLanes low1 = TLanes.Load(sums + columns), high1 = TLanes.Load(sums + columns + Lanes);
        TLanes low2 = TLanes.Load(sums + (2 * columns)), high2 = TLanes.Load(sums + (2 * columns) + Lanes);
        TLanes low3 = TLanes.Load(sums + (3 * columns)), high3 = TLanes.Load(sums + (3 * columns) + Lanes);
        TLanes low4 = TLanes.Load(sums + (4 * columns)), high4 = TLanes.Load(sums + (4 * columns) + Lanes);
        TLanes low5 = TLanes.Load(sums + (5 * columns)), high5 = TLanes.Load(sums + (5 * columns) + Lanes);
        TLanes low6 = TLanes.Load(sums + (6 * columns)), high6 = TLanes.Load(sums + (6 * columns) + Lanes);
        TLanes low7 = TLanes.Load(sums + (7 * columns)), high7 = TLanes.Load(sums + (7 * columns) + Lanes);
        for (int k = 0; k < depth; k++, left += OuterProductRank, right += stride)
        {
            if (Sse.IsSupported)
            {
                Sse.Prefetch0(right + (PrefetchedRows * stride));
                Sse.Prefetch0(right + (PrefetchedRows * stride) + Lanes);
            }

            TLanes low = TLanes.Load(right), high = TLanes.Load(right + Lanes);
            TLanes value0 = TLanes.Broadcast(*left);
            low0 = TLanes.FusedMultiplyAdd(value0, low, low0);
            high0 = TLanes.FusedMultiplyAdd(value0, high, high0);
            TLanes value1 = TLanes.Broadcast(left[1]);
            low1 = TLanes.FusedMultiplyAdd(value1, low, low1);
            high1 = TLanes.FusedMultiplyAdd(value1, high, high1);
            TLanes value2 = TLanes.Broadcast(left[2]);
            low2 = TLanes.FusedMultiplyAdd(value2, low, low2);
            high2 = TLanes.FusedMultiplyAdd(value2, high, high2);
            TLanes value3 = TLanes.Broadcast(left[3]);
            low3 = TLanes.FusedMultiplyAdd(value3, low, low3);
            high3 = TLanes.FusedMultiplyAdd(value3, high, high3);
            TLanes value4 = TLanes.Broadcast(left[4]);
            low4 = TLanes.FusedMultiplyAdd(value4, low, low4);
            high4 = TLanes.FusedMultiplyAdd(value4, high, high4);
            TLanes value5 = TLanes.Broadcast(left[5]);
            low5 = TLanes.FusedMultiplyAdd(value5, low, low5);
            high5 = TLanes.FusedMultiplyAdd(value5, high, high5);
            TLanes value6 = TLanes.Broadcast(left[6]);
            low6 = TLanes.FusedMultiplyAdd(value6, low, low6);
            high6 = TLanes.FusedMultiplyAdd(value6, high, high6);
            TLanes value7 = TLanes.Broadcast(left[7]);
            low7 = TLanes.FusedMultiplyAdd(value7, low, low7);
            high7 = TLanes.FusedMultiplyAdd(value7, high, high7);
        }

        TLanes.Store(sums, low0);
        TLanes.Store(sums + Lanes, high0);
        TLanes.Store(sums + columns, low1);
        TLanes.Store(sums + columns + Lanes, high1);
        TLanes.Store(sums + (2 * columns), low2);
        TLanes.Store(sums + (2 * columns) + Lanes, high2);
        TLanes.Store(sums + (3 * columns), low3);
        TLanes.Store(sums + (3 * columns) + Lanes, high3);
        TLanes.Store(sums + (4 * columns), low4);
        TLanes.Store(sums + (4 * columns) + Lanes, high4);
        TLanes.Store(sums + (5 * columns), low5);
        TLanes.Store(sums + (5 * columns) + Lanes, high5);
        TLanes.Store(sums + (6 * columns), low6);
        TLanes.Store(sums + (6 * columns) + Lanes, high6);
        TLanes.Store(sums + (7 * columns), low7);
        TLanes.Store(sums + (7 * columns) + Lanes, high7);
    }

    private static void AddSingle(float* left, float* right, nint stride, int depth, int count, float* sums, nint columns)
    {
        for (int row = 0; row < OuterProductRank; row++)
        {
            TLanes sum = Load(sums + (row * columns), count);
            for (int k = 0; k < depth; k++)
            {
                sum = TLanes.FusedMultiplyAdd(TLanes.Broadcast(left[(k * OuterProductRank) + row]), Load(right + (k * stride), count), sum);
            }

            Store(sums + (row * columns), sum, count);
        }
    }
}
