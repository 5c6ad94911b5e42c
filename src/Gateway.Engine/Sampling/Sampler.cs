using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace Gateway.Engine.Sampling;

/// <summary>
/// Draws tokens from logits in the order temperature, top-k, top-p, draw. Reuses its scratch memory: one thread, no
/// allocation per token, no full sort.
/// </summary>
public sealed class Sampler
{
    /// <summary>Returned when a logit is NaN or infinite.</summary>
    public const int NotFinite = -1;

    private readonly int _vocabulary;

    // Weights exp((logit − max) / temperature), padded to whole vectors so that body and tail share one routine.
    private readonly float[] _weights;
    private readonly float[] _order;

    /// <summary>Reserves scratch memory for a vocabulary.</summary>
    public Sampler(int vocabulary)
    {
        _vocabulary = vocabulary;
        var padded = (vocabulary + Vector512<float>.Count - 1) / Vector512<float>.Count * Vector512<float>.Count;
        _weights = new float[padded];
        _order = new float[vocabulary];
    }

    /// <summary>The token at <paramref name="position"/> of a sequence, or <see cref="NotFinite"/>.</summary>
    public int Sample(ReadOnlySpan<float> logits, SamplingSettings settings, int position)
    {
        var best = ArgMax(logits);
        if (best == NotFinite || settings.Temperature == 0)
        {
            return best;
        }

        WriteWeights(logits, logits[best], settings.Temperature);
        var weights = _weights.AsSpan(0, _vocabulary);
        var limited = settings.TopK > 0 && settings.TopK < _vocabulary;
        if (limited)
        {
            KeepLargest(weights, settings.TopK);
        }

        if (settings.TopP < 1)
        {
            KeepMass(weights, settings.TopP);
        }

        return Draw(weights, CounterRandom.Uniform(settings.Seed, position), best);
    }

    /// <summary>The first largest logit, or <see cref="NotFinite"/>.</summary>
    private static int ArgMax(ReadOnlySpan<float> logits)
    {
        var best = 0;
        for (var i = 0; i < logits.Length; i++)
        {
            if (!float.IsFinite(logits[i]))
            {
                return NotFinite;
            }

            if (logits[i] > logits[best])
            {
                best = i;
            }
        }

        return best;
    }

    private void WriteWeights(ReadOnlySpan<float> logits, float maximum, float temperature)
    {
        for (var i = 0; i < logits.Length; i++)
        {
            _weights[i] = (logits[i] - maximum) / temperature;
        }

        _weights.AsSpan(logits.Length).Clear();
        foreach (ref var vector in MemoryMarshal.Cast<float, Vector512<float>>(_weights.AsSpan()))
        {
            vector = Vector512.Exp(vector);
        }
    }

    /// <summary>Zeroes all but the <paramref name="count"/> largest weights; among equals the lowest ids stay.</summary>
    private void KeepLargest(Span<float> weights, int count)
    {
        weights.CopyTo(_order);
        var threshold = Selection.Largest(_order, count);
        var above = 0;
        foreach (var weight in weights)
        {
            above += weight > threshold ? 1 : 0;
        }

        var equals = count - above;
        foreach (ref var weight in weights)
        {
            if (weight < threshold || (weight == threshold && equals-- <= 0))
            {
                weight = 0;
            }
        }
    }

    /// <summary>Zeroes all but the shortest run of largest weights that reaches the mass; among equals the lowest ids stay.</summary>
    private void KeepMass(Span<float> weights, float share)
    {
        var total = 0.0;
        foreach (var weight in weights)
        {
            total += weight;
        }

        weights.CopyTo(_order);
        var wanted = share * total;
        var threshold = Selection.Mass(_order, wanted);
        var kept = 0.0;
        foreach (var weight in weights)
        {
            kept += weight > threshold ? weight : 0;
        }

        // At least one of the equals stays: the threshold itself belongs to the run.
        var first = true;
        foreach (ref var weight in weights)
        {
            if (weight < threshold)
            {
                weight = 0;
            }
            else if (weight == threshold)
            {
                if (first || kept < wanted)
                {
                    kept += weight;
                    first = false;
                }
                else
                {
                    weight = 0;
                }
            }
        }
    }

    private static int Draw(ReadOnlySpan<float> weights, double uniform, int fallback)
    {
        var total = 0.0;
        foreach (var weight in weights)
        {
            total += weight;
        }

        var target = uniform * total;
        var sum = 0.0;
        for (var i = 0; i < weights.Length; i++)
        {
            sum += weights[i];
            if (sum > target)
            {
                return i;
            }
        }

        // Unreachable unless uniform·total rounds up to total.
        return fallback;
    }
}
