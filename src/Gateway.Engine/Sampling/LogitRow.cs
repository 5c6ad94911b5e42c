using System.Numerics;
using System.Runtime.Intrinsics;

namespace Gateway.Engine.Sampling;

/// <summary>What is done to logits before they become weights.</summary>
internal static class LogitRow
{
    /// <summary>The logit of a forbidden token: finite, so that it passes the check, and below everything a model says.</summary>
    public const float Forbidden = float.MinValue;

    private const int Block = 1024;
    private const int MagnitudeBits = 0x7FFFFFFF;
    private const int InfinityBits = 0x7F800000;

    /// <summary>The first largest value, or −1 when any is NaN or infinite.</summary>
    public static int ArgMax(ReadOnlySpan<float> row)
    {
        // Two chains of each maximum hide the latency of one.
        var (magnitude, magnitude2) = (Vector512<int>.Zero, Vector512<int>.Zero);
        var bits = Vector512.Create(MagnitudeBits);
        var (bestBlock, best) = (0, float.NegativeInfinity);
        for (var start = 0; start < row.Length; start += Block)
        {
            var block = row.Slice(start, Math.Min(Block, row.Length - start));

            // Past the end a value of the block is repeated, so the tail adds nothing new.
            var (largest, largest2, fill) = (Vector512.Create(block[0]), Vector512.Create(block[0]), block[0]);
            for (var i = 0; i < block.Length; i += 2 * LogitLanes.Count)
            {
                var values = LogitLanes.Load(block, i, fill);
                var values2 = i + LogitLanes.Count < block.Length ? LogitLanes.Load(block, i + LogitLanes.Count, fill) : values;
                magnitude = Vector512.Max(magnitude, values.AsInt32() & bits);
                magnitude2 = Vector512.Max(magnitude2, values2.AsInt32() & bits);
                largest = Vector512.MaxNative(largest, values);
                largest2 = Vector512.MaxNative(largest2, values2);
            }

            largest = Vector512.MaxNative(largest, largest2);
            if (Vector512.GreaterThanAny(largest, Vector512.Create(best)))
            {
                (bestBlock, best) = (start, LogitLanes.Max(largest));
            }
        }

        if (Vector512.GreaterThanOrEqualAny(Vector512.Max(magnitude, magnitude2), Vector512.Create(InfinityBits)))
        {
            return -1;
        }

        for (var i = bestBlock; ; i += LogitLanes.Count)
        {
            var equal = Vector512.Equals(LogitLanes.Load(row, i, float.NaN), Vector512.Create(best)).ExtractMostSignificantBits();
            if (equal != 0)
            {
                return i + BitOperations.TrailingZeroCount(equal);
            }
        }
    }

    /// <summary>Overwrites the logits of tokens whose bit is not set (bit i % 64 of word i / 64) with <see cref="Forbidden"/>.</summary>
    public static void Allow(Span<float> row, ReadOnlySpan<ulong> allowed)
    {
        var lane = Vector512.Create(1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384, 32768);
        for (var i = 0; i < row.Length; i += LogitLanes.Count)
        {
            var bits = (int)(allowed[i / 64] >> (i % 64)) & 0xFFFF;
            if (bits != 0xFFFF)
            {
                var mask = Vector512.Equals(Vector512.Create(bits) & lane, lane).AsSingle();
                LogitLanes.Store(row, i, Vector512.ConditionalSelect(mask, LogitLanes.Load(row, i, 0), Vector512.Create(Forbidden)));
            }
        }
    }

    /// <summary>Applies penalties and biases.</summary>
    /// <param name="row">The logits.</param>
    /// <param name="settings">What to apply.</param>
    /// <param name="tokens">Prompt and reply up to here.</param>
    /// <param name="promptLength">Tokens of the prompt.</param>
    /// <param name="counts">One zero per token of the vocabulary; zero again afterwards.</param>
    public static void Adjust(Span<float> row, SamplingSettings settings, ReadOnlySpan<int> tokens, int promptLength, Span<int> counts)
    {
        if (settings.RepetitionPenalty != 1)
        {
            foreach (var token in tokens)
            {
                if (counts[token]++ == 0)
                {
                    row[token] = row[token] > 0 ? row[token] / settings.RepetitionPenalty : row[token] * settings.RepetitionPenalty;
                }
            }

            Clear(counts, tokens);
        }

        if (settings.PresencePenalty != 0 || settings.FrequencyPenalty != 0)
        {
            var reply = tokens[promptLength..];
            foreach (var token in reply)
            {
                counts[token]++;
            }

            foreach (var token in reply)
            {
                if (counts[token] > 0)
                {
                    row[token] -= settings.PresencePenalty + (settings.FrequencyPenalty * counts[token]);
                    counts[token] = 0;
                }
            }
        }

        for (var i = 0; i < settings.LogitBias.Count; i++)
        {
            row[settings.LogitBias[i].Token] += settings.LogitBias[i].Bias;
        }
    }

    private static void Clear(Span<int> counts, ReadOnlySpan<int> tokens)
    {
        foreach (var token in tokens)
        {
            counts[token] = 0;
        }
    }
}
