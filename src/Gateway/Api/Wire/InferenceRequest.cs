namespace Gateway.Api.Wire;

/// <summary>What chat and text completions have in common. Null means that the caller did not give the field.</summary>
public abstract record InferenceRequest
{
    /// <summary>The model asked for.</summary>
    public required string Model { get; init; }

    /// <summary>Replies wanted, 1 to 128.</summary>
    public int N { get; init; } = 1;

    /// <summary>0 is greedy.</summary>
    public double? Temperature { get; init; }

    /// <summary>Nucleus mass.</summary>
    public double? TopP { get; init; }

    /// <summary>Number of candidates; 0 or −1 is off.</summary>
    public int? TopK { get; init; }

    /// <summary>Least probability of a candidate as a share of the likeliest one's.</summary>
    public double? MinP { get; init; }

    /// <summary>Seed of the draws; each further reply counts it up.</summary>
    public long? Seed { get; init; }

    /// <summary>−2 to 2, by how often a token occurred in the reply.</summary>
    public double? FrequencyPenalty { get; init; }

    /// <summary>−2 to 2, when a token occurred in the reply.</summary>
    public double? PresencePenalty { get; init; }

    /// <summary>vLLM's penalty on tokens of prompt and reply; 1 is off.</summary>
    public double? RepetitionPenalty { get; init; }

    /// <summary>Numbers added to the logits of tokens.</summary>
    public IReadOnlyList<KeyValuePair<int, double>> LogitBias { get; init; } = [];

    /// <summary>Alternatives per token whose log-probabilities are wanted beside that of the token itself; null wants none.</summary>
    public int? Logprobs { get; init; }

    /// <summary>One to four non-empty stop strings; empty when not given.</summary>
    public IReadOnlyList<string> Stop { get; init; } = [];

    /// <summary>Ids that end the reply like the model's own end tokens.</summary>
    public IReadOnlyList<int> StopTokenIds { get; init; } = [];

    /// <summary>True to leave the stop string in the reply.</summary>
    public bool IncludesStop { get; init; }

    /// <summary>Token limit of the reply.</summary>
    public int? MaxTokens { get; init; }

    /// <summary>Tokens before which the reply does not end.</summary>
    public int MinTokens { get; init; }

    /// <summary>True to generate past end tokens, for benchmarks.</summary>
    public bool IgnoreEnd { get; init; }

    /// <summary>False to write special tokens of the reply out.</summary>
    public bool SkipsSpecialTokens { get; init; } = true;

    /// <summary>Requests with different salts share no cached prompt.</summary>
    public string? CacheSalt { get; init; }

    /// <summary>What the reply must look like, or null for any text.</summary>
    public ReplyFormat? Format { get; init; }

    /// <summary>True for server-sent events.</summary>
    public bool Stream { get; init; }

    /// <summary>True when the stream ends with a usage chunk.</summary>
    public bool IncludeUsage { get; init; }

    /// <summary>The end user (deprecated spelling).</summary>
    public string? User { get; init; }

    /// <summary>The end user.</summary>
    public string? SafetyIdentifier { get; init; }

    /// <summary>The caller's cache key; a stickiness unit of last resort.</summary>
    public string? PromptCacheKey { get; init; }

    /// <summary>Up to 16 pairs stored with the interaction.</summary>
    public IReadOnlyDictionary<string, string>? Metadata { get; init; }

    /// <summary>Fields that were accepted without effect, for the header <c>x-ignored-parameters</c>.</summary>
    public IReadOnlyList<string> IgnoredParameters { get; init; } = [];
}
