using System.Text.Json;
using Gateway.Api.Wire;
using Gateway.Domain.Interactions;
using Gateway.Domain.Json;
using Gateway.Worker.ToolCalls;

namespace Gateway.Worker;

/// <summary>
/// Messages as published chat templates expect them, which is not quite as clients send them: arguments of calls are objects and
/// not text, results carry the name of what was called, ids have the family's form.
/// </summary>
internal static class TemplateMessages
{
    /// <summary>The array for the template.</summary>
    public static JsonElement Of(IReadOnlyList<ChatMessage> messages, string template, ToolDialect dialect)
    {
        if (!template.Contains("developer", StringComparison.Ordinal))
        {
            messages = [.. messages.Select(message => message.Role == "developer" ? message with { Role = "system" } : message)];
        }

        if (messages.All(message => message.ToolCalls is null && message.ToolCallId is null))
        {
            return JsonSerializer.SerializeToElement(messages, DomainJson.Default.IReadOnlyListChatMessage);
        }

        return WireJson.Element(writer =>
        {
            var names = new Dictionary<string, string>(StringComparer.Ordinal);
            writer.WriteStartArray();
            foreach (var message in messages)
            {
                Write(writer, message, template, dialect, names);
            }

            writer.WriteEndArray();
        });
    }

    private static void Write(Utf8JsonWriter writer, ChatMessage message, string template, ToolDialect dialect, Dictionary<string, string> names)
    {
        var calls = message.ToolCalls is { } given ? Calls(given, names) : [];
        var content = message.Content;
        if (calls.Count > 0 && !template.Contains("tool_calls", StringComparison.Ordinal))
        {
            content += dialect.Write(calls.Select(call => (call.Name, call.Arguments)));
            calls = [];
        }

        writer.WriteStartObject();
        writer.WriteString("role", message.Role);

        // Templates that ask whether there is content get none, the others the empty text.
        writer.WriteString("content", content ?? (AsksForContent(template) ? null : ""));
        if (message.ToolCallId is { } id)
        {
            writer.WriteString("tool_call_id", dialect.IdForTemplate(id));
        }

        if ((message.Name ?? (message.ToolCallId is { } answered ? names.GetValueOrDefault(answered) : null)) is { } name)
        {
            writer.WriteString("name", name);
        }

        if (calls.Count > 0)
        {
            writer.WriteStartArray("tool_calls");
            foreach (var call in calls)
            {
                writer.WriteStartObject();
                writer.WriteString("id", dialect.IdForTemplate(call.Id));
                writer.WriteString("type", "function");
                writer.WriteStartObject("function");
                writer.WriteString("name", call.Name);
                writer.WritePropertyName("arguments");
                writer.WriteRawValue(call.Arguments);
                writer.WriteEndObject();
                writer.WriteEndObject();
            }

            writer.WriteEndArray();
        }

        writer.WriteEndObject();
    }

    private static bool AsksForContent(string template) =>
        template.Contains("message['content'] is not none", StringComparison.Ordinal) || template.Contains("message.content is not none", StringComparison.Ordinal);

    private static List<(string Id, string Name, string Arguments)> Calls(JsonElement given, Dictionary<string, string> names)
    {
        var calls = new List<(string Id, string Name, string Arguments)>();
        foreach (var call in given.EnumerateArray())
        {
            var function = call.GetProperty("function");
            var (id, name) = (call.GetProperty("id").GetString()!, function.GetProperty("name").GetString()!);
            names[id] = name;
            calls.Add((id, name, Arguments(function.GetProperty("arguments").GetString()!)));
        }

        return calls;
    }

    /// <summary>The JSON of the arguments; what a model once wrote and is no JSON stays text.</summary>
    private static string Arguments(string text)
    {
        if (string.IsNullOrWhiteSpace(text))
        {
            return "{}";
        }

        var body = JsonBody.Parse(System.Text.Encoding.UTF8.GetBytes(text));
        using (body.Document)
        {
            return body.Document is null ? JsonSerializer.Serialize(text, WireJsonContext.Default.String) : body.Document.RootElement.GetRawText();
        }
    }
}
