using System.Text;
using System.Text.Json;
using Gateway.Domain.Interactions;

namespace Gateway.Api.Wire;

/// <summary>Reads the <c>messages</c> array: joins text parts, checks roles and that tool messages answer an earlier call.</summary>
internal sealed class MessagesReader(FieldReader fields)
{
    private readonly HashSet<string> _callIds = new(StringComparer.Ordinal);
    private readonly Dictionary<string, string> _functionCalls = new(StringComparer.Ordinal);

    /// <summary>The messages, or null after a failure.</summary>
    public IReadOnlyList<ChatMessage>? Read(JsonElement value)
    {
        if (value.ValueKind != JsonValueKind.Array || value.GetArrayLength() == 0)
        {
            fields.Fail(ApiError.InvalidValue("messages", "expected an array of at least one message."));
            return null;
        }

        var messages = new List<ChatMessage>(value.GetArrayLength());
        foreach (var item in value.EnumerateArray())
        {
            if (ReadMessage(item, $"messages[{messages.Count}]") is not { } message)
            {
                return null;
            }

            messages.Add(message);
        }

        return messages;
    }

    private ChatMessage? ReadMessage(JsonElement item, string path)
    {
        if (fields.OfKind(item, path, JsonValueKind.Object) is null)
        {
            return null;
        }

        if (Given(item, "role") is not { } roleValue)
        {
            fields.Fail(ApiError.MissingParameter($"{path}.role"));
            return null;
        }

        var role = fields.Text(roleValue, $"{path}.role");
        var name = Given(item, "name") is { } nameValue ? fields.Text(nameValue, $"{path}.name") : null;
        var content = Given(item, "content") is { } contentValue ? ReadContent(contentValue, $"{path}.content") : null;
        if (fields.Error is not null)
        {
            return null;
        }

        var message = role switch
        {
            "system" or "developer" or "user" => new ChatMessage { Role = role, Content = content, Name = name },
            "assistant" => ReadAssistant(item, path, content, name),
            "tool" => ReadToolResult(item, path, content, name),
            "function" => ReadFunctionResult(path, content, name),
            _ => null,
        };
        if (message is null)
        {
            // A more precise failure stands.
            fields.Fail(ApiError.InvalidValue($"{path}.role", "expected system, developer, user, assistant or tool."));
        }
        else if (message.Content is null && message.ToolCalls is null)
        {
            fields.Fail(ApiError.MissingParameter($"{path}.content"));
        }

        return fields.Error is null ? message : null;
    }

    private ChatMessage ReadAssistant(JsonElement item, string path, string? content, string? name)
    {
        if (content is null && Given(item, "refusal") is { } refusal)
        {
            content = fields.Text(refusal, $"{path}.refusal");
        }

        JsonElement? calls = null;
        if (Given(item, "tool_calls") is { } given && fields.OfKind(given, $"{path}.tool_calls", JsonValueKind.Array) is { } array
            && array.GetArrayLength() > 0)
        {
            calls = array.Clone();
            ReadCalls(array, $"{path}.tool_calls");
        }
        else if (Given(item, "function_call") is { } call)
        {
            calls = ReadFunctionCall(call, $"{path}.function_call");
        }

        return new ChatMessage { Role = "assistant", Content = content, Name = name, ToolCalls = calls };
    }

    private void ReadCalls(JsonElement calls, string path)
    {
        var index = 0;
        foreach (var call in calls.EnumerateArray())
        {
            var callPath = $"{path}[{index++}]";
            if (call.ValueKind != JsonValueKind.Object
                || Given(call, "function") is not { ValueKind: JsonValueKind.Object } function
                || Given(function, "name") is not { ValueKind: JsonValueKind.String }
                || Given(function, "arguments") is not { ValueKind: JsonValueKind.String })
            {
                fields.Fail(ApiError.InvalidValue(callPath, "expected {id, type:\"function\", function:{name, arguments}} with arguments as a JSON string."));
            }
            else if (Given(call, "id") is not { } id || fields.Text(id, $"{callPath}.id") is not { } text)
            {
                fields.Fail(ApiError.MissingParameter($"{callPath}.id"));
            }
            else
            {
                _callIds.Add(text);
            }
        }
    }

    /// <summary>The elder of tool calls: one call without an id, which gets one.</summary>
    private JsonElement? ReadFunctionCall(JsonElement call, string path)
    {
        if (call.ValueKind != JsonValueKind.Object
            || Given(call, "name") is not { ValueKind: JsonValueKind.String } name
            || Given(call, "arguments") is not { ValueKind: JsonValueKind.String })
        {
            fields.Fail(ApiError.InvalidValue(path, "expected {name, arguments} with arguments as a JSON string."));
            return null;
        }

        var id = $"call_{_callIds.Count}";
        _callIds.Add(id);
        _functionCalls[name.GetString()!] = id;
        using var document = JsonDocument.Parse($$"""[{"id":"{{id}}","type":"function","function":{{call.GetRawText()}}}]""");
        return document.RootElement.Clone();
    }

    private ChatMessage? ReadFunctionResult(string path, string? content, string? name)
    {
        if (name is null || !_functionCalls.TryGetValue(name, out var id))
        {
            fields.Fail(ApiError.InvalidValue($"{path}.name", "no earlier assistant message called a function of this name."));
            return null;
        }

        return new ChatMessage { Role = "tool", Content = content, Name = name, ToolCallId = id };
    }

    private ChatMessage ReadToolResult(JsonElement item, string path, string? content, string? name)
    {
        var id = Given(item, "tool_call_id") is { } value ? fields.Text(value, $"{path}.tool_call_id") : null;
        if (id is null)
        {
            fields.Fail(ApiError.MissingParameter($"{path}.tool_call_id"));
        }
        else if (!_callIds.Contains(id))
        {
            fields.Fail(ApiError.InvalidValue($"{path}.tool_call_id", $"no earlier assistant message made a call '{id}'."));
        }

        return new ChatMessage { Role = "tool", Content = content, Name = name, ToolCallId = id };
    }

    private string? ReadContent(JsonElement content, string path)
    {
        if (content.ValueKind == JsonValueKind.String)
        {
            return content.GetString();
        }

        if (content.ValueKind != JsonValueKind.Array)
        {
            fields.Fail(ApiError.InvalidValue(path, "expected a string or an array of text parts."));
            return null;
        }

        var text = new StringBuilder();
        var index = 0;
        foreach (var part in content.EnumerateArray())
        {
            var partPath = $"{path}[{index++}]";
            if (part.ValueKind != JsonValueKind.Object || Given(part, "type") is not { ValueKind: JsonValueKind.String } type)
            {
                fields.Fail(ApiError.InvalidValue(partPath, "expected {\"type\":\"text\",\"text\":…}."));
                return null;
            }

            // An assistant's refusal part is text that it said.
            var member = type.ValueEquals("refusal") ? "refusal" : "text";
            if (!type.ValueEquals(member))
            {
                fields.Fail(ApiError.UnsupportedContent(partPath, type.GetString()!));
                return null;
            }

            if (Given(part, member) is not { } value)
            {
                fields.Fail(ApiError.MissingParameter($"{partPath}.{member}"));
                return null;
            }

            text.Append(fields.Text(value, $"{partPath}.{member}"));
        }

        return text.ToString();
    }

    /// <summary>The member's value, or null when it is absent or null.</summary>
    private static JsonElement? Given(JsonElement item, string name) =>
        item.TryGetProperty(name, out var value) && value.ValueKind != JsonValueKind.Null ? value : null;
}
