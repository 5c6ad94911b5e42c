using System.Text.Json;

namespace Gateway.Guards;

/// <summary>A tool call of a reply, as far as it has come.</summary>
internal sealed record GuardedToolCall(string? Id, string? Name, string Arguments);

/// <summary>What guards let through of one choice.</summary>
/// <param name="Index">Its place.</param>
/// <param name="Text">The text that may leave.</param>
/// <param name="Finish">How it ended, or null.</param>
/// <param name="IsNews">False when there is nothing to tell the client.</param>
/// <param name="ToolCalls">Its tool calls, once they are whole; null before.</param>
internal sealed record GuardedChoice(int Index, string Text, string? Finish, bool IsNews, IReadOnlyList<GuardedToolCall>? ToolCalls);

/// <summary>
/// What guards let through of the choices of a completion or a chunk, and how it is written in their place. Only what guards
/// have looked at is written: text, roles and tool calls, no log probabilities and no fields that are not known.
/// </summary>
internal sealed class GuardedChoices
{
    private readonly List<GuardedChoice> _choices = [];

    /// <summary>True when no choice goes on any more.</summary>
    public bool EverythingBlocked { get; set; }

    /// <summary>True when there were choices and nothing of them is left to be told.</summary>
    public bool IsEmpty { get; private set; }

    /// <summary>Adds a choice; one of which there is nothing to tell is left out.</summary>
    public void Add(GuardedChoice choice)
    {
        _choices.Add(choice);
        IsEmpty = _choices.TrueForAll(known => !known.IsNews);
    }

    /// <summary>Writes the choices.</summary>
    public void WriteTo(Utf8JsonWriter writer, JsonElement choices)
    {
        writer.WriteStartArray("choices");
        foreach (var choice in choices.EnumerateArray())
        {
            if (Find(choice) is { IsNews: true } guarded)
            {
                Write(writer, choice, guarded);
            }
        }

        writer.WriteEndArray();
    }

    /// <summary>The place of a choice.</summary>
    public static int IndexOf(JsonElement choice) => Number(choice, "index");

    /// <summary>The text of a choice, empty when it has none.</summary>
    public static string TextOf(JsonElement choice) => Text(PartOf(choice), "content") ?? Text(choice, "text") ?? "";

    /// <summary>True for a chunk that brings text or a piece of a tool call and nothing else.</summary>
    public static bool IsOnlyContent(JsonElement choice) =>
        choice.TryGetProperty("text", out _)
        || (choice.TryGetProperty("delta", out var delta) && delta.EnumerateObject().Any() && delta.EnumerateObject().All(member => member.Name is "content" or "tool_calls"));

    /// <summary>How a choice ended, or null.</summary>
    public static string? FinishOf(JsonElement choice) => Text(choice, "finish_reason");

    /// <summary>Adds the pieces of tool calls that a choice brings to those that came before.</summary>
    public static void AddToolCalls(JsonElement choice, List<GuardedToolCall> calls)
    {
        if (PartOf(choice) is not { ValueKind: JsonValueKind.Object } part || !part.TryGetProperty("tool_calls", out var pieces) || pieces.ValueKind != JsonValueKind.Array)
        {
            return;
        }

        var place = 0;
        foreach (var piece in pieces.EnumerateArray())
        {
            // A stream numbers its pieces; a whole reply lists its calls in order.
            var index = piece.TryGetProperty("index", out _) ? Number(piece, "index") : place++;
            while (calls.Count <= index)
            {
                calls.Add(new(null, null, ""));
            }

            var function = piece.TryGetProperty("function", out var given) ? given : default;
            calls[index] = new(Text(piece, "id") ?? calls[index].Id, Text(function, "name") ?? calls[index].Name, calls[index].Arguments + Text(function, "arguments"));
        }
    }

    /// <summary>What leaves of a choice, and how it ends.</summary>
    public GuardedChoice Find(JsonElement choice)
    {
        var index = IndexOf(choice);
        return _choices.Find(known => known.Index == index)!;
    }

    private static void Write(Utf8JsonWriter writer, JsonElement choice, GuardedChoice guarded)
    {
        writer.WriteStartObject();
        foreach (var member in choice.EnumerateObject())
        {
            switch (member.Name)
            {
                case "delta" or "message" when member.Value.ValueKind == JsonValueKind.Object:
                    WritePart(writer, member, guarded);
                    break;
                case "text":
                    writer.WriteString("text", guarded.Text);
                    break;
                case "finish_reason":
                    writer.WriteString("finish_reason", guarded.Finish);
                    break;
                case "index" or "stop_reason":
                    member.WriteTo(writer);
                    break;
                default:
                    writer.WriteNull(member.Name);
                    break;
            }
        }

        writer.WriteEndObject();
    }

    private static void WritePart(Utf8JsonWriter writer, JsonProperty part, GuardedChoice guarded)
    {
        writer.WriteStartObject(part.Name);
        if (Text(part.Value, "role") is { } role)
        {
            writer.WriteString("role", role);
        }

        if (guarded.Text.Length > 0 || Text(part.Value, "content") is not null)
        {
            writer.WriteString("content", guarded.Text);
        }
        else if (part.Name == "message")
        {
            writer.WriteNull("content");
        }

        if (guarded.ToolCalls is { Count: > 0 } calls)
        {
            WriteToolCalls(writer, calls, numbered: part.Name == "delta");
        }

        writer.WriteEndObject();
    }

    private static void WriteToolCalls(Utf8JsonWriter writer, IReadOnlyList<GuardedToolCall> calls, bool numbered)
    {
        writer.WriteStartArray("tool_calls");
        for (var i = 0; i < calls.Count; i++)
        {
            writer.WriteStartObject();
            if (numbered)
            {
                writer.WriteNumber("index", i);
            }

            writer.WriteString("id", calls[i].Id);
            writer.WriteString("type", "function");
            writer.WriteStartObject("function");
            writer.WriteString("name", calls[i].Name);
            writer.WriteString("arguments", calls[i].Arguments);
            writer.WriteEndObject();
            writer.WriteEndObject();
        }

        writer.WriteEndArray();
    }

    private static JsonElement PartOf(JsonElement choice) =>
        choice.TryGetProperty("delta", out var part) || choice.TryGetProperty("message", out part) ? part : default;

    private static string? Text(JsonElement element, string name) =>
        element.ValueKind == JsonValueKind.Object && element.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;

    private static int Number(JsonElement element, string name) => element.TryGetProperty(name, out var value) && value.TryGetInt32(out var number) ? number : 0;
}
