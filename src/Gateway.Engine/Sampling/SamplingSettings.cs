namespace Gateway.Engine.Sampling;

/// <summary>How the next token is drawn from the logits.</summary>
/// <param name="Temperature">Divides the logits; 0 takes the largest, the lowest id among equals.</param>
/// <param name="TopP">Keeps the smallest set of most likely tokens with at least this mass; 1 is off.</param>
/// <param name="TopK">Keeps this many of the most likely tokens; 0 or less is off.</param>
/// <param name="Seed">Same seed, same logits, same draws, whatever else the engine is doing.</param>
public readonly record struct SamplingSettings(float Temperature, float TopP, int TopK, long Seed)
{
    /// <summary>The most likely token, always.</summary>
    public static SamplingSettings Greedy => new(0, 1, 0, 0);
}
