using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Gateway.Engine.Sampling;

/// <summary>Where a set of largest weights ends.</summary>
/// <param name="Value">The smallest weight in the set.</param>
/// <param name="Above">Count or mass of the weights above it.</param>
internal readonly record struct Threshold(float Value, double Above);

/// <summary>
/// The smallest set of largest weights that reaches a count or a mass, without sorting: the bits of positive floats are in the
/// order of their values, so a bracket of bit patterns is cut in four per pass over the weights, and once few weights are left
/// in the bracket only those are looked at.
/// </summary>
internal static class Selection
{
    private const int Block = 1024;

    /// <summary>The largest t such that the weights ≥ t number at least <paramref name="count"/>.</summary>
    /// <param name="weights">Values in [0, 1].</param>
    /// <param name="count">From 1 to the number of weights.</param>
    /// <param name="scratch">As long as the weights.</param>
    public static Threshold Largest(ReadOnlySpan<float> weights, int count, Span<float> scratch) => Find(weights, count, byMass: false, 0, scratch);

    /// <summary>The largest t such that the weights ≥ t sum to at least <paramref name="mass"/>.</summary>
    /// <param name="weights">Values in [0, 1].</param>
    /// <param name="mass">Above 0, at most <paramref name="total"/>.</param>
    /// <param name="total">The sum of the weights.</param>
    /// <param name="scratch">As long as the weights.</param>
    public static Threshold Mass(ReadOnlySpan<float> weights, double mass, double total, Span<float> scratch)
    {
        // All weights below this together weigh less than what may be missing; half of it leaves room for rounding.
        var least = (float)((total - mass) / weights.Length / 2);
        return Find(weights, mass, byMass: true, least, scratch);
    }

    private static Threshold Find(ReadOnlySpan<float> weights, double wanted, bool byMass, float least, Span<float> scratch)
    {
        // Invariant: weights ≥ low reach what is wanted, weights ≥ high do not; `removed` are the ones ≥ high left out of values.
        var values = weights;
        var (low, high) = (BitConverter.SingleToInt32Bits(least), BitConverter.SingleToInt32Bits(1f) + 1);
        var (above, removed) = (0.0, 0.0);
        while (high - low > 1)
        {
            var quarter = Math.Max(1, (high - low) / 4);
            var (first, second, third) = (low + quarter, Math.Min(high, low + (2 * quarter)), Math.Min(high, low + (3 * quarter)));
            var measure = Measure(values, BitConverter.Int32BitsToSingle(first), BitConverter.Int32BitsToSingle(second), BitConverter.Int32BitsToSingle(third), byMass);
            if (third < high && removed + measure.Third >= wanted)
            {
                low = third;
            }
            else if (second < high && removed + measure.Second >= wanted)
            {
                (low, high, above) = third < high ? (second, third, removed + measure.Third) : (second, high, above);
            }
            else if (removed + measure.First >= wanted)
            {
                (low, high, above) = second < high ? (first, second, removed + measure.Second) : (first, high, above);
            }
            else
            {
                (high, above) = (first, removed + measure.First);
            }

            if (TryCollect(values, BitConverter.Int32BitsToSingle(low), BitConverter.Int32BitsToSingle(high), scratch, out var left))
            {
                values = scratch[..left];
                removed = above;
            }
        }

        return new Threshold(BitConverter.Int32BitsToSingle(low), above);
    }

    /// <summary>Counts or masses of the values from each of three rising limits on.</summary>
    private static (double First, double Second, double Third) Measure(ReadOnlySpan<float> values, float first, float second, float third, bool byMass)
    {
        var total = (0.0, 0.0, 0.0);
        for (var start = 0; start < values.Length; start += Block)
        {
            // Blocks are summed in f32 and added up in f64.
            var block = values.Slice(start, Math.Min(Block, values.Length - start));
            var (a, b, c) = (Vector512<float>.Zero, Vector512<float>.Zero, Vector512<float>.Zero);
            for (var i = 0; i < block.Length; i += LogitLanes.Count)
            {
                var value = LogitLanes.Load(block, i, -1);
                var part = byMass ? value : Vector512<float>.One;
                a += Where(Vector512.GreaterThanOrEqual(value, Vector512.Create(first)), part);
                b += Where(Vector512.GreaterThanOrEqual(value, Vector512.Create(second)), part);
                c += Where(Vector512.GreaterThanOrEqual(value, Vector512.Create(third)), part);
            }

            total = (total.Item1 + LogitLanes.Sum(a), total.Item2 + LogitLanes.Sum(b), total.Item3 + LogitLanes.Sum(c));
        }

        return total;
    }

    /// <summary>Copies the values in [low, high) to scratch, where they may lie already, in order; false when they are more than a quarter.</summary>
    private static bool TryCollect(ReadOnlySpan<float> values, float low, float high, Span<float> scratch, out int count)
    {
        count = 0;
        if (Count(values, low, high) > values.Length / 4)
        {
            return false;
        }

        for (var i = 0; i < values.Length; i += LogitLanes.Count)
        {
            var value = LogitLanes.Load(values, i, -1);
            var inside = (Vector512.GreaterThanOrEqual(value, Vector512.Create(low)) & Vector512.LessThan(value, Vector512.Create(high))).ExtractMostSignificantBits();
            for (; inside != 0; inside &= inside - 1)
            {
                scratch[count++] = values[i + BitOperations.TrailingZeroCount(inside)];
            }
        }

        return true;
    }

    private static int Count(ReadOnlySpan<float> values, float low, float high)
    {
        var counts = Vector512<int>.Zero;
        for (var i = 0; i < values.Length; i += LogitLanes.Count)
        {
            var value = LogitLanes.Load(values, i, -1);
            counts -= (Vector512.GreaterThanOrEqual(value, Vector512.Create(low)) & Vector512.LessThan(value, Vector512.Create(high))).AsInt32();
        }

        return Vector512.Sum(counts);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<float> Where(Vector512<float> mask, Vector512<float> value) => Vector512.ConditionalSelect(mask, value, Vector512<float>.Zero);
}
