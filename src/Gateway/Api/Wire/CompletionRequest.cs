using System.Diagnostics.CodeAnalysis;
using System.Text.Json;

namespace Gateway.Api.Wire;

/// <summary>A checked body of <c>POST /v1/completions</c>: text is continued as it is, without a chat template.</summary>
public sealed record CompletionRequest : InferenceRequest
{
    /// <summary>Reply tokens where the caller says nothing.</summary>
    public const int DefaultMaxTokens = 16;

    /// <summary>The texts to continue, at least one.</summary>
    public required IReadOnlyList<TextPrompt> Prompts { get; init; }

    /// <summary>True to begin each reply with its prompt.</summary>
    public bool Echo { get; init; }

    /// <summary>Replies to draw for each prompt, of which the likeliest <see cref="InferenceRequest.N"/> are given.</summary>
    public int BestOf { get; init; } = 1;

    /// <summary>Checks every field of <paramref name="body"/>; <paramref name="error"/> names the first that is wrong.</summary>
    public static bool TryParse(JsonElement body, [NotNullWhen(true)] out CompletionRequest? request, [NotNullWhen(false)] out ApiError? error)
    {
        var reader = new CompletionReader();
        request = reader.Read(body);
        error = reader.Error;
        return request is not null;
    }
}
