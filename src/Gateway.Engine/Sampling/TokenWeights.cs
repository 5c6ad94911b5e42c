using System.Numerics;
using System.Runtime.Intrinsics;

namespace Gateway.Engine.Sampling;

/// <summary>
/// Weights of tokens in place of their logits, with the sum of every block of 1,024 tokens beside them, so that a draw reads
/// one block and not the vocabulary.
/// </summary>
internal readonly ref struct TokenWeights
{
    private const int Block = 1024;
    private readonly Span<float> _weights;
    private readonly Span<double> _sums;

    private TokenWeights(Span<float> weights, Span<double> sums)
    {
        _weights = weights;
        _sums = sums[..BlocksFor(weights.Length)];
    }

    /// <summary>The sum of all weights.</summary>
    public double Total
    {
        get
        {
            var total = 0.0;
            foreach (var sum in _sums)
            {
                total += sum;
            }

            return total;
        }
    }

    /// <summary>Number of block sums for a vocabulary.</summary>
    public static int BlocksFor(int vocabulary) => (vocabulary + Block - 1) / Block;

    /// <summary>Replaces logits by e^((logit − maximum) / temperature): the largest weight is 1.</summary>
    public static TokenWeights FromLogits(Span<float> logits, float maximum, float temperature, Span<double> sums)
    {
        var result = new TokenWeights(logits, sums);
        var (shift, factor) = (Vector512.Create(maximum), Vector512.Create(MathF.Min(1 / temperature, float.MaxValue)));
        for (var block = 0; block < result._sums.Length; block++)
        {
            var values = result.Values(block);
            var sum = Vector512<float>.Zero;
            for (var i = 0; i < values.Length; i += LogitLanes.Count)
            {
                var weight = LogitLanes.Exp((LogitLanes.Load(values, i, float.MinValue) - shift) * factor);
                LogitLanes.Store(values, i, weight);
                sum += weight;
            }

            result._sums[block] = LogitLanes.Sum(sum);
        }

        return result;
    }

    /// <summary>Keeps the largest weights; among equals the lowest ids stay.</summary>
    public void KeepLargest(int count, Span<float> scratch)
    {
        var threshold = Selection.Largest(_weights, count, scratch);
        Keep(threshold.Value, count - (int)threshold.Above);
    }

    /// <summary>Keeps the shortest run of largest weights, at least one, that reaches a share of the mass; among equals the lowest ids stay.</summary>
    public void KeepMass(float share, Span<float> scratch)
    {
        var total = Total;
        var threshold = Selection.Mass(_weights, share * total, total, scratch);
        var missing = ((share * total) - threshold.Above) / threshold.Value;
        Keep(threshold.Value, (int)Math.Clamp(Math.Ceiling(missing), 1, _weights.Length));
    }

    /// <summary>Keeps the weights that are at least a share of the largest.</summary>
    public void KeepAbove(float share) => Keep(share, _weights.Length);

    /// <summary>The token at which the running sum in the order of ids exceeds a share of the total.</summary>
    public int At(double share)
    {
        var (target, sum, block) = (share * Total, 0.0, 0);
        while (block < _sums.Length - 1 && sum + _sums[block] <= target)
        {
            sum += _sums[block++];
        }

        // Inside a block weights are added one by one; when rounding leaves that below the target, the last one of the block is meant.
        var values = Values(block);
        var last = 0;
        for (var i = 0; i < values.Length; i++)
        {
            if (values[i] > 0)
            {
                last = i;
                sum += values[i];
                if (sum > target)
                {
                    break;
                }
            }
        }

        return (block * Block) + last;
    }

    private Span<float> Values(int block) => _weights.Slice(block * Block, Math.Min(Block, _weights.Length - (block * Block)));

    /// <summary>Zeroes weights below the threshold and, from the given number on, those equal to it.</summary>
    private void Keep(float threshold, int equals)
    {
        if (threshold == 0)
        {
            // Fewer tokens have weight than are asked for.
            return;
        }

        var limit = Vector512.Create(threshold);
        for (var block = 0; block < _sums.Length; block++)
        {
            var values = Values(block);
            var sum = Vector512<float>.Zero;
            for (var i = 0; i < values.Length; i += LogitLanes.Count)
            {
                var weight = LogitLanes.Load(values, i, 0);
                var kept = Vector512.ConditionalSelect(Vector512.GreaterThan(weight, limit), weight, Vector512<float>.Zero);
                var equal = Vector512.Equals(weight, limit).ExtractMostSignificantBits();
                for (; equal != 0 && equals > 0; equal &= equal - 1, equals--)
                {
                    kept = kept.WithElement(BitOperations.TrailingZeroCount(equal), threshold);
                }

                LogitLanes.Store(values, i, kept);
                sum += kept;
            }

            _sums[block] = LogitLanes.Sum(sum);
        }
    }
}
