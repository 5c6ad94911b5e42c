using System.Diagnostics.CodeAnalysis;
using System.Text.Json;
using Gateway.Domain.Interactions;

namespace Gateway.Api.Wire;

/// <summary>
/// A checked body of <c>POST /v1/chat/completions</c>. Null means that the caller did not give the field. Elements
/// (<see cref="Tools"/>, <see cref="TemplateVariables"/>, tool calls) are copies and outlive the parsed document.
/// </summary>
public sealed record ChatCompletionRequest
{
    /// <summary>The model asked for.</summary>
    public required string Model { get; init; }

    /// <summary>The conversation, at least one message; role <c>developer</c> is kept as given.</summary>
    public required IReadOnlyList<ChatMessage> Messages { get; init; }

    /// <summary>The tools array for the template, or null.</summary>
    public JsonElement? Tools { get; init; }

    /// <summary>0 is greedy.</summary>
    public double? Temperature { get; init; }

    /// <summary>Nucleus mass.</summary>
    public double? TopP { get; init; }

    /// <summary>Number of candidates; 0 or −1 is off.</summary>
    public int? TopK { get; init; }

    /// <summary>Seed of the draws.</summary>
    public long? Seed { get; init; }

    /// <summary>One to four non-empty stop strings; empty when not given.</summary>
    public IReadOnlyList<string> Stop { get; init; } = [];

    /// <summary>Token limit of the reply: <c>max_completion_tokens</c>, else <c>max_tokens</c>.</summary>
    public int? MaxTokens { get; init; }

    /// <summary>True to generate past end tokens, for benchmarks.</summary>
    public bool IgnoreEnd { get; init; }

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

    /// <summary>Keeps the prompt apart in the prefix cache from those with another salt; null shares with all who have none.</summary>
    public string? CacheSalt { get; init; }

    /// <summary>Up to 16 pairs stored with the interaction.</summary>
    public IReadOnlyDictionary<string, string>? Metadata { get; init; }

    /// <summary>A chat template that replaces the model's own.</summary>
    public string? ChatTemplate { get; init; }

    /// <summary>Extra variables for the template, an object; <c>reasoning_effort</c> is merged in when given.</summary>
    public IReadOnlyDictionary<string, JsonElement>? TemplateVariables { get; init; }

    /// <summary>What the reply must look like, or null for any text.</summary>
    public ReplyFormat? Format { get; init; }

    /// <summary>False to render without the assistant header.</summary>
    public bool AddGenerationPrompt { get; init; } = true;

    /// <summary>Fields that were accepted without effect, for the header <c>x-ignored-parameters</c>.</summary>
    public IReadOnlyList<string> IgnoredParameters { get; init; } = [];

    /// <summary>Checks every field of <paramref name="body"/>; <paramref name="error"/> names the first that is wrong.</summary>
    public static bool TryParse(
        JsonElement body, [NotNullWhen(true)] out ChatCompletionRequest? request, [NotNullWhen(false)] out ApiError? error)
    {
        var reader = new ChatCompletionReader();
        request = reader.Read(body);
        error = reader.Error;
        return request is not null;
    }
}
