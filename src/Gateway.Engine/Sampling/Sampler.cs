namespace Gateway.Engine.Sampling;

/// <summary>
/// Draws tokens from logits, in place and without a sort. Reuses its scratch memory: one thread at a time, no allocation per
/// token. The draw depends on logits, settings, history and mask alone, not on the instruction set.
/// </summary>
public sealed class Sampler
{
    /// <summary>Returned when a logit is NaN or infinite.</summary>
    public const int NotFinite = -1;

    /// <summary>Returned when the mask allows no token.</summary>
    public const int NothingAllowed = -2;

    private readonly float[] _scratch;
    private readonly double[] _sums;
    private readonly int[] _counts;
    private readonly float[] _observed;
    private float _normalizer;

    /// <summary>Reserves scratch memory for a vocabulary.</summary>
    public Sampler(int vocabulary)
    {
        _scratch = new float[vocabulary];
        _sums = new double[TokenWeights.BlocksFor(vocabulary)];
        _counts = new int[vocabulary];
        _observed = new float[vocabulary];
    }

    /// <summary>Keeps a row of raw logits, which <see cref="Sample"/> overwrites, for <see cref="Logprob"/>; false when one is not finite.</summary>
    /// <param name="logits">One value per token.</param>
    /// <param name="largest">Receives the likeliest tokens.</param>
    public bool TryObserve(ReadOnlySpan<float> logits, Span<TokenLogprob> largest)
    {
        var best = LogitRow.ArgMax(logits);
        if (best < 0)
        {
            return false;
        }

        _normalizer = Logprobs.Normalizer(logits, logits[best]);
        Logprobs.Largest(logits, _normalizer, largest);
        logits.CopyTo(_observed);
        return true;
    }

    /// <summary>The log-probability of a token in the row observed last.</summary>
    public float Logprob(int token) => _observed[token] - _normalizer;

    /// <summary>The token that follows <paramref name="tokens"/>, or <see cref="NotFinite"/> or <see cref="NothingAllowed"/>.</summary>
    /// <param name="logits">One value per token of the vocabulary; overwritten.</param>
    /// <param name="settings">How to draw.</param>
    /// <param name="tokens">Prompt and reply up to here; their number is the counter of the random draw.</param>
    /// <param name="promptLength">How many of them are the prompt.</param>
    /// <param name="allowed">One bit per token (bit i % 64 of word i / 64), or empty to allow all.</param>
    /// <param name="forbidden">Tokens that may not come, in addition.</param>
    public int Sample(
        Span<float> logits, SamplingSettings settings, ReadOnlySpan<int> tokens, int promptLength, ReadOnlySpan<ulong> allowed, ReadOnlySpan<int> forbidden = default)
    {
        if (settings.AdjustsLogits)
        {
            LogitRow.Adjust(logits, settings, tokens, promptLength, _counts);
        }

        if (!allowed.IsEmpty)
        {
            LogitRow.Allow(logits, allowed);
        }

        foreach (var token in forbidden)
        {
            logits[token] = LogitRow.Forbidden;
        }

        var best = LogitRow.ArgMax(logits);
        if (best < 0)
        {
            return NotFinite;
        }

        if (logits[best] == LogitRow.Forbidden)
        {
            return NothingAllowed;
        }

        return settings.Temperature == 0 ? best : Draw(logits, logits[best], settings, CounterRandom.Uniform(settings.Seed, tokens.Length));
    }

    private int Draw(Span<float> logits, float maximum, SamplingSettings settings, double uniform)
    {
        var weights = TokenWeights.FromLogits(logits, maximum, settings.Temperature, _sums);
        if (settings.TopK > 0 && settings.TopK < logits.Length)
        {
            weights.KeepLargest(settings.TopK, _scratch);
        }

        if (settings.TopP < 1)
        {
            weights.KeepMass(settings.TopP, _scratch);
        }

        if (settings.MinP > 0)
        {
            weights.KeepAbove(settings.MinP);
        }

        return weights.At(uniform);
    }
}
