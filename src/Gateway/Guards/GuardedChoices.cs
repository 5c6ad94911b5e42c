using System.Text.Json;

namespace Gateway.Guards;

/// <summary>What guards let through of the choices of a completion or a chunk, and how it is written in their place.</summary>
internal sealed class GuardedChoices
{
    private readonly List<(int Index, string Text, string? Finish, bool IsNews)> _choices = [];

    /// <summary>True when no choice goes on any more.</summary>
    public bool EverythingBlocked { get; set; }

    /// <summary>True when there were choices and nothing of them is left to be told.</summary>
    public bool IsEmpty { get; private set; }

    /// <summary>Adds a choice; one of which there is nothing to tell is left out.</summary>
    public void Add(int index, string text, string? finish, bool isNews)
    {
        _choices.Add((index, text, finish, isNews));
        IsEmpty = _choices.TrueForAll(choice => !choice.IsNews);
    }

    /// <summary>What leaves of a choice, and how it ends.</summary>
    public (string Text, string? Finish) Of(JsonElement choice)
    {
        var (_, text, finish, _) = Find(choice);
        return (text, finish);
    }

    /// <summary>Writes the choices: text and end are the guards', log probabilities would tell what was taken out.</summary>
    public void WriteTo(Utf8JsonWriter writer, JsonElement choices)
    {
        writer.WriteStartArray("choices");
        foreach (var choice in choices.EnumerateArray())
        {
            var (_, text, finish, isNews) = Find(choice);
            if (!isNews)
            {
                continue;
            }

            writer.WriteStartObject();
            foreach (var member in choice.EnumerateObject())
            {
                switch (member.Name)
                {
                    case "delta" or "message" when member.Value.ValueKind == JsonValueKind.Object:
                        WriteText(writer, member, text);
                        break;
                    case "finish_reason":
                        writer.WriteString("finish_reason", finish);
                        break;
                    case "logprobs":
                        writer.WriteNull("logprobs");
                        break;
                    default:
                        member.WriteTo(writer);
                        break;
                }
            }

            writer.WriteEndObject();
        }

        writer.WriteEndArray();
    }

    /// <summary>The place of a choice.</summary>
    public static int IndexOf(JsonElement choice) => choice.TryGetProperty("index", out var index) && index.TryGetInt32(out var value) ? value : 0;

    /// <summary>The text of a choice, empty when it has none.</summary>
    public static string TextOf(JsonElement choice) =>
        (choice.TryGetProperty("delta", out var part) || choice.TryGetProperty("message", out part)) && part.ValueKind == JsonValueKind.Object
            && part.TryGetProperty("content", out var content) && content.ValueKind == JsonValueKind.String
            ? content.GetString()!
            : "";

    /// <summary>True for a chunk that brings some text and nothing else.</summary>
    public static bool IsOnlyText(JsonElement choice) =>
        TextOf(choice).Length > 0 && choice.TryGetProperty("delta", out var delta) && delta.EnumerateObject().All(member => member.Name == "content");

    /// <summary>How a choice ended, or null.</summary>
    public static string? FinishOf(JsonElement choice) =>
        choice.TryGetProperty("finish_reason", out var reason) && reason.ValueKind == JsonValueKind.String ? reason.GetString() : null;

    private (int Index, string Text, string? Finish, bool IsNews) Find(JsonElement choice)
    {
        var index = IndexOf(choice);
        return _choices.Find(known => known.Index == index);
    }

    private static void WriteText(Utf8JsonWriter writer, JsonProperty part, string text)
    {
        writer.WriteStartObject(part.Name);
        foreach (var member in part.Value.EnumerateObject().Where(member => member.Name != "content"))
        {
            member.WriteTo(writer);
        }

        if (text.Length > 0 || part.Value.TryGetProperty("content", out _))
        {
            writer.WriteString("content", text);
        }

        writer.WriteEndObject();
    }
}
