using System.Runtime.Intrinsics;

namespace Gateway.Engine.Sampling;

/// <summary>Log-probabilities of a row of raw logits: log-softmax in f32 in one fixed order, so that they are the same bits in every batch.</summary>
internal static class Logprobs
{
    private const int Block = 1024;

    /// <summary>What is subtracted from a logit to get its log-probability.</summary>
    /// <param name="row">Finite logits.</param>
    /// <param name="maximum">The largest of them.</param>
    public static float Normalizer(ReadOnlySpan<float> row, float maximum)
    {
        var shift = Vector512.Create(maximum);
        var total = 0.0;
        for (var start = 0; start < row.Length; start += Block)
        {
            // Blocks are summed in f32 and added up in f64; a lane behind the end weighs nothing.
            var block = row.Slice(start, Math.Min(Block, row.Length - start));
            var sum = Vector512<float>.Zero;
            for (var i = 0; i < block.Length; i += LogitLanes.Count)
            {
                sum += LogitLanes.Exp(LogitLanes.Load(block, i, float.MinValue) - shift);
            }

            total += LogitLanes.Sum(sum);
        }

        return maximum + (float)Math.Log(total);
    }

    /// <summary>Writes the most likely tokens, the likeliest first and the lowest id first among equals.</summary>
    public static void Largest(ReadOnlySpan<float> row, float normalizer, Span<TokenLogprob> largest)
    {
        var known = 0;
        for (var i = 0; i < row.Length && largest.Length > 0; i += LogitLanes.Count)
        {
            var least = known < largest.Length ? float.NegativeInfinity : largest[^1].Logprob;
            var above = Vector512.GreaterThan(LogitLanes.Load(row, i, float.NegativeInfinity), Vector512.Create(least)).ExtractMostSignificantBits();
            for (; above != 0; above &= above - 1)
            {
                known = Insert(largest, known, new TokenLogprob(i + System.Numerics.BitOperations.TrailingZeroCount(above), row[i + System.Numerics.BitOperations.TrailingZeroCount(above)]));
            }
        }

        foreach (ref var entry in largest)
        {
            entry = entry with { Logprob = entry.Logprob - normalizer };
        }
    }

    /// <summary>Keeps the list sorted; tokens come in the order of their ids, so an equal one goes behind those that are there.</summary>
    private static int Insert(Span<TokenLogprob> largest, int known, TokenLogprob entry)
    {
        if (known == largest.Length && entry.Logprob <= largest[^1].Logprob)
        {
            return known;
        }

        var at = known == largest.Length ? known - 1 : known;
        while (at > 0 && largest[at - 1].Logprob < entry.Logprob)
        {
            largest[at] = largest[at - 1];
            at--;
        }

        largest[at] = entry;
        return Math.Min(known + 1, largest.Length);
    }
}
