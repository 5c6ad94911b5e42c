using System.Text.Json;

namespace Gateway.Model.Text;

/// <summary>What a chat template is given; all of it but the time is untrusted text of the caller.</summary>
public sealed record ChatInput
{
    /// <summary>The conversation: an array of objects with role and content.</summary>
    public required JsonElement Messages { get; init; }

    /// <summary>The tools as a JSON array, or null for none.</summary>
    public JsonElement? Tools { get; init; }

    /// <summary>Whether the text ends where the assistant begins to write.</summary>
    public bool AddGenerationPrompt { get; init; }

    /// <summary>An object with further variables of the template, or null.</summary>
    public JsonElement? TemplateVariables { get; init; }

    /// <summary>The time that <c>strftime_now</c> tells.</summary>
    public required DateTimeOffset Now { get; init; }
}
