using Gateway.Engine.Adapters;
using Gateway.Engine.Grammars;
using Gateway.Engine.Sampling;

namespace Gateway.Engine;

/// <summary>What to generate: ids in, ids out.</summary>
public sealed record GenerationRequest
{
    /// <summary>Token ids of the prompt; at least one.</summary>
    public required ReadOnlyMemory<int> Prompt { get; init; }

    /// <summary>Largest number of tokens to sample, the end token included; at least one.</summary>
    public required int MaximumTokens { get; init; }

    /// <summary>How tokens are drawn.</summary>
    public SamplingSettings Sampling { get; init; } = SamplingSettings.Greedy;

    /// <summary>Ids that end the reply and are not part of it.</summary>
    public IReadOnlyList<int> EndTokens { get; init; } = [];

    /// <summary>Tokens before which no end token is drawn; a reply that a grammar leaves no way to go on ends all the same.</summary>
    public int MinimumTokens { get; init; }

    /// <summary>Log-probabilities wanted: this many alternatives per token beside the one drawn; null wants none and costs nothing.</summary>
    public int? Logprobs { get; init; }

    /// <summary>Log-probabilities of the prompt's tokens, too; then all of the prompt is computed, and nothing of it shared.</summary>
    public bool ScoresPrompt { get; init; }

    /// <summary>
    /// Reads the prompt only and ends with <see cref="GenerationStream.Embedding"/>. Nothing is drawn, and nothing of the prompt
    /// taken from the cache.
    /// </summary>
    public bool Embeds { get; init; }

    /// <summary>
    /// What the reply must look like, or null. A new matcher over the model's vocabulary, with the same end tokens and room for
    /// <see cref="MaximumTokens"/>; it belongs to the engine from submission on. A reply that is complete ends by itself; one
    /// that <see cref="MaximumTokens"/> cut ends with <see cref="FinishReason.Length"/>.
    /// </summary>
    public GrammarMatcher? Grammar { get; init; }

    /// <summary>
    /// The pinned adapter, or null for the base model. The engine takes the lease over when it accepts the request and
    /// releases it with the last token.
    /// </summary>
    public AdapterLease? Adapter { get; init; }

    /// <summary>
    /// Only requests with an equal salt share cached prompts, so that response times tell nobody what others ask. Null shares
    /// with all who have none.
    /// </summary>
    public string? CacheSalt { get; init; }

    /// <summary>Who is charged when callers compete; null charges the adapter generation, or the base model.</summary>
    public string? FairnessKey { get; init; }
}

/// <summary>Why a request was not accepted, or that it was.</summary>
public enum SubmitOutcome
{
    /// <summary>The request will end exactly once.</summary>
    Accepted,

    /// <summary>Prompt and reply do not fit into the context or the whole cache.</summary>
    PromptTooLong,

    /// <summary>Too many requests wait; try again later.</summary>
    QueueFull,

    /// <summary>The engine was stopped.</summary>
    Stopped,
}
