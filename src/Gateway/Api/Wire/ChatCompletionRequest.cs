using System.Diagnostics.CodeAnalysis;
using System.Text.Json;
using Gateway.Domain.Interactions;

namespace Gateway.Api.Wire;

/// <summary>
/// A checked body of <c>POST /v1/chat/completions</c>. Null means that the caller did not give the field. Elements
/// (<see cref="Tools"/>, <see cref="TemplateVariables"/>, tool calls) are copies and outlive the parsed document.
/// </summary>
public sealed record ChatCompletionRequest : InferenceRequest
{
    /// <summary>The conversation, at least one message; role <c>developer</c> is kept as given.</summary>
    public required IReadOnlyList<ChatMessage> Messages { get; init; }

    /// <summary>The tools that the model sees, as an array for the template; null when there are none or none may be called.</summary>
    public JsonElement? Tools { get; init; }

    /// <summary>The functions of <see cref="Tools"/>.</summary>
    public IReadOnlyList<ToolFunction> Functions { get; init; } = [];

    /// <summary>Whether the model may or must call them.</summary>
    public ToolMode ToolMode { get; init; }

    /// <summary>The only function that may be called when a call is required, or null for any.</summary>
    public string? RequiredFunction { get; init; }

    /// <summary>False for at most one call.</summary>
    public bool ParallelCalls { get; init; } = true;

    /// <summary>True when the caller used <c>functions</c> and gets its call as <c>function_call</c>.</summary>
    public bool UsesFunctionCall { get; init; }

    /// <summary>True to keep the completion for <c>GET /v1/chat/completions</c>.</summary>
    public bool Store { get; init; }

    /// <summary>A chat template that replaces the model's own.</summary>
    public string? ChatTemplate { get; init; }

    /// <summary>Extra variables for the template, an object; <c>reasoning_effort</c> is merged in when given.</summary>
    public IReadOnlyDictionary<string, JsonElement>? TemplateVariables { get; init; }

    /// <summary>False to render without the assistant header.</summary>
    public bool AddGenerationPrompt { get; init; } = true;

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
