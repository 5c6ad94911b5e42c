using System.Text.Json;
using System.Text.Json.Nodes;
using Gateway.Domain.Interactions;
using Gateway.Domain.Privacy;

namespace Gateway.Records;

/// <summary>Replaces personal data in what is stored of a request: texts, and the strings inside tool calls. Pure.</summary>
internal static class Redactor
{
    /// <summary>The interaction as it may be stored.</summary>
    public static Interaction Redact(Interaction interaction) => interaction with
    {
        Messages = [.. interaction.Messages.Select(Redact)],
        Reply = Redact(interaction.Reply),
        Flags = [.. interaction.Flags.Select(flag => flag with { Reason = Redact(flag.Reason)! })],
    };

    /// <summary>The feedback as it may be stored.</summary>
    public static Feedback Redact(Feedback feedback) => feedback with { Text = Redact(feedback.Text) };

    private static ChatMessage Redact(ChatMessage message) => message with
    {
        Content = Redact(message.Content),
        ToolCalls = message.ToolCalls is { } calls ? Redact(calls) : null,
    };

    private static string? Redact(string? text) => text is null ? null : PiiRedactor.Redact(text).Text;

    private static JsonElement Redact(JsonElement element)
    {
        using var document = JsonDocument.Parse(Copy(element)?.ToJsonString() ?? "null");
        return document.RootElement.Clone();
    }

    private static JsonNode? Copy(JsonElement element) => element.ValueKind switch
    {
        JsonValueKind.Object => new JsonObject(element.EnumerateObject().Select(member => KeyValuePair.Create(member.Name, Copy(member.Value)))),
        JsonValueKind.Array => new JsonArray([.. element.EnumerateArray().Select(Copy)]),
        JsonValueKind.String => JsonValue.Create(Redact(element.GetString())),
        JsonValueKind.Null => null,
        _ => JsonValue.Create(element.Clone()),
    };
}
