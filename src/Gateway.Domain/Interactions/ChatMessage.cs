using System.Text.Json;

namespace Gateway.Domain.Interactions;

/// <summary>One chat message, text parts already joined.</summary>
public sealed record ChatMessage
{
    /// <summary>system, developer, user, assistant or tool.</summary>
    public required string Role { get; init; }

    /// <summary>The text; null only on an assistant message with tool calls.</summary>
    public string? Content { get; init; }

    /// <summary>Optional participant name.</summary>
    public string? Name { get; init; }

    /// <summary>The OpenAI tool_calls array of an assistant message.</summary>
    public JsonElement? ToolCalls { get; init; }

    /// <summary>The call a tool message answers.</summary>
    public string? ToolCallId { get; init; }
}
