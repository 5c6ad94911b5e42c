namespace Gateway.Engine;

/// <summary>How a sequence ended.</summary>
public enum FinishReason
{
    /// <summary>The model sampled an end token.</summary>
    Stop,

    /// <summary>The token limit was reached.</summary>
    Length,

    /// <summary>The caller cancelled.</summary>
    Cancelled,

    /// <summary>The engine could not go on with this sequence.</summary>
    Failed,
}

/// <summary>One step of a reply: a token, or the end.</summary>
/// <param name="Token">The token id; −1 in the last event.</param>
/// <param name="Finish">Set in the last event only.</param>
/// <param name="SampledTokens">Tokens sampled so far, an end token included.</param>
/// <param name="Error">Why the sequence failed, with what to do next; only with <see cref="FinishReason.Failed"/>.</param>
public readonly record struct GenerationEvent(int Token, FinishReason? Finish, int SampledTokens, string? Error)
{
    /// <summary>Prompt tokens that were found in the cache; in the last event.</summary>
    public int CachedPromptTokens { get; init; }

    /// <summary>The end token that ended the reply, in the last event; null when something else did.</summary>
    public int? EndToken { get; init; }
}
