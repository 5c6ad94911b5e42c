namespace Gateway.Engine.Sampling;

/// <summary>
/// How the next token is drawn from the logits. Applied in this order: penalties and biases, the mask of allowed tokens,
/// temperature, top-k, top-p, min-p, draw.
/// </summary>
/// <param name="Temperature">Divides the logits; 0 takes the largest, the lowest id among equals.</param>
/// <param name="TopP">Keeps the smallest set of most likely tokens with at least this mass; 1 is off.</param>
/// <param name="TopK">Keeps this many of the most likely tokens; 0 or less is off.</param>
/// <param name="Seed">Same seed, same logits, same draws, whatever else the engine is doing.</param>
public sealed record SamplingSettings(float Temperature, float TopP, int TopK, long Seed)
{
    /// <summary>The most likely token, always.</summary>
    public static SamplingSettings Greedy { get; } = new(0, 1, 0, 0);

    /// <summary>Drops tokens less likely than this share of the most likely one, in [0, 1]; 0 is off.</summary>
    public float MinP { get; init; }

    /// <summary>Positive logits of tokens that occur in prompt or reply are divided by it, negative ones multiplied (Keskar et al. 2019); 1 is off.</summary>
    public float RepetitionPenalty { get; init; } = 1;

    /// <summary>Subtracted once from the logit of every token of the reply.</summary>
    public float PresencePenalty { get; init; }

    /// <summary>Subtracted from the logit of a token for every time it occurs in the reply.</summary>
    public float FrequencyPenalty { get; init; }

    /// <summary>Added to the logits of these tokens.</summary>
    public IReadOnlyList<TokenBias> LogitBias { get; init; } = [];

    /// <summary>True when logits change before the draw because of what was said before or by name.</summary>
    internal bool AdjustsLogits => RepetitionPenalty != 1 || PresencePenalty != 0 || FrequencyPenalty != 0 || LogitBias.Count > 0;

    /// <summary>Throws when a number makes no sense for a vocabulary.</summary>
    /// <exception cref="ArgumentException">The message names the number and its range.</exception>
    internal void Require(int vocabulary)
    {
        RequireIn(Temperature, 0, float.MaxValue, nameof(Temperature));
        RequireIn(TopP, 0, 1, nameof(TopP));
        RequireIn(MinP, 0, 1, nameof(MinP));
        RequireIn(RepetitionPenalty, 0.01f, 100, nameof(RepetitionPenalty));
        RequireIn(PresencePenalty, -100, 100, nameof(PresencePenalty));
        RequireIn(FrequencyPenalty, -100, 100, nameof(FrequencyPenalty));
        foreach (var (token, bias) in LogitBias)
        {
            RequireIn(token, 0, vocabulary - 1, nameof(LogitBias));
            RequireIn(bias, -100, 100, nameof(LogitBias));
        }
    }

    private static void RequireIn(float value, float least, float most, string name)
    {
        if (!(value >= least && value <= most))
        {
            throw new ArgumentException($"{name} is {value}; it must lie between {least} and {most}.", name);
        }
    }
}

/// <summary>A number that is added to the logit of one token.</summary>
public readonly record struct TokenBias(int Token, float Bias);
