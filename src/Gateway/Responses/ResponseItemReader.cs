using System.Text;
using System.Text.Json;
using Gateway.Api.Wire;

namespace Gateway.Responses;

/// <summary>
/// Reads items as clients send them and as they are stored. Clients send back what they got, with members that their SDK
/// added: members that are not known are passed over.
/// </summary>
internal sealed class ResponseItemReader(FieldReader fields)
{
    private const int MaximumCallIdLength = 64;

    /// <summary>The items of <c>input</c>: a text is one message of the user. Ids are as given; what has no meaning here is left out.</summary>
    public IReadOnlyList<ResponseItem> ReadInput(JsonElement input)
    {
        if (input.ValueKind == JsonValueKind.String)
        {
            return [new(ResponseItemKind.Message, "") { Role = "user", Parts = [new("input_text", input.GetString()!)] }];
        }

        if (input.ValueKind != JsonValueKind.Array)
        {
            fields.Fail(ApiError.InvalidValue("input", "expected a string or an array of items."));
            return [];
        }

        var items = new List<ResponseItem>(input.GetArrayLength());
        foreach (var (index, item) in input.EnumerateArray().Index())
        {
            if (Read(item, $"input[{index}]") is { } read)
            {
                items.Add(read);
            }

            if (fields.Error is not null)
            {
                return [];
            }
        }

        return items;
    }

    /// <summary>Items that this gateway has stored.</summary>
    public static IReadOnlyList<ResponseItem> ReadStored(JsonElement items) => new ResponseItemReader(new FieldReader()).ReadInput(items);

    private ResponseItem? Read(JsonElement item, string path)
    {
        if (fields.OfKind(item, path, JsonValueKind.Object) is null || TypeOf(item, path) is not { } type)
        {
            return null;
        }

        var id = Given(item, "id") is { } given ? fields.Text(given, $"{path}.id") ?? "" : "";
        switch (type)
        {
            case "message":
                return ReadMessage(item, path, id);
            case "function_call":
                var isCut = Given(item, "status") is { ValueKind: JsonValueKind.String } status && status.ValueEquals("incomplete");
                return new(ResponseItemKind.Call, id)
                {
                    CallId = CallIdOf(item, path),
                    Name = Required(item, "name", path),
                    Text = Required(item, "arguments", path),
                    IsIncomplete = isCut,
                };
            case "function_call_output":
                return new(ResponseItemKind.Output, id) { CallId = CallIdOf(item, path), Text = OutputOf(item, path) };
            case "item_reference":
                _ = Required(item, "id", path);
                return new(ResponseItemKind.Reference, id);
            case "reasoning":
                return null;
            default:
                fields.Fail(ApiError.UnsupportedItem($"{path}.type", type));
                return null;
        }
    }

    private string? TypeOf(JsonElement item, string path)
    {
        if (item.TryGetProperty("type", out var type) && type.ValueKind != JsonValueKind.Null)
        {
            return fields.Text(type, $"{path}.type");
        }

        if (Given(item, "role") is not null)
        {
            return "message";
        }

        if (Given(item, "id") is not null && (type.ValueKind == JsonValueKind.Null || item.EnumerateObject().Count() == 1))
        {
            return "item_reference";
        }

        fields.Fail(ApiError.MissingParameter($"{path}.type"));
        return null;
    }

    private ResponseItem? ReadMessage(JsonElement item, string path, string id)
    {
        var role = Required(item, "role", path);
        if (fields.Error is null && role is not ("user" or "assistant" or "system" or "developer"))
        {
            fields.Fail(ApiError.InvalidValue($"{path}.role", "expected user, assistant, system or developer."));
        }

        if (Given(item, "content") is not { } content)
        {
            fields.Fail(ApiError.MissingParameter($"{path}.content"));
            return null;
        }

        var textType = role == "assistant" ? "output_text" : "input_text";
        IReadOnlyList<ResponsePart> parts = content.ValueKind switch
        {
            JsonValueKind.String => [new(textType, content.GetString()!)],
            JsonValueKind.Array => ReadParts(content, $"{path}.content", textType),
            _ => [],
        };
        if (content.ValueKind is not (JsonValueKind.String or JsonValueKind.Array))
        {
            fields.Fail(ApiError.InvalidValue($"{path}.content", "expected a string or an array of parts."));
        }

        return new(ResponseItemKind.Message, id) { Role = role, Parts = parts };
    }

    private List<ResponsePart> ReadParts(JsonElement content, string path, string textType)
    {
        var parts = new List<ResponsePart>(content.GetArrayLength());
        foreach (var (index, part) in content.EnumerateArray().Index())
        {
            var partPath = $"{path}[{index}]";
            if (fields.OfKind(part, partPath, JsonValueKind.Object) is null)
            {
                return parts;
            }

            var type = Required(part, "type", partPath);
            switch (type)
            {
                case "input_text" or "output_text" or "text":
                    parts.Add(new(textType, Required(part, "text", partPath)));
                    break;
                case "refusal":
                    parts.Add(new("refusal", Required(part, "refusal", partPath)));
                    break;
                default:
                    // Where the type itself is wrong, that failure stands.
                    fields.Fail(ApiError.UnsupportedContent($"{partPath}.type", type));
                    return parts;
            }
        }

        return parts;
    }

    /// <summary>Parts are joined: the .NET client reads an output only as text.</summary>
    private string OutputOf(JsonElement item, string path)
    {
        if (Given(item, "output") is not { ValueKind: JsonValueKind.Array } parts)
        {
            return Required(item, "output", path);
        }

        var text = new StringBuilder();
        foreach (var part in ReadParts(parts, $"{path}.output", "input_text"))
        {
            text.Append(part.Text);
        }

        return text.ToString();
    }

    private string CallIdOf(JsonElement item, string path)
    {
        var id = Required(item, "call_id", path);
        if (fields.Error is null && id.Length is 0 or > MaximumCallIdLength)
        {
            fields.Fail(ApiError.InvalidValue($"{path}.call_id", $"expected 1 to {MaximumCallIdLength} characters."));
        }

        return id;
    }

    private string Required(JsonElement item, string name, string path)
    {
        if (Given(item, name) is { } value)
        {
            return fields.Text(value, $"{path}.{name}") ?? "";
        }

        fields.Fail(ApiError.MissingParameter($"{path}.{name}"));
        return "";
    }

    private static JsonElement? Given(JsonElement item, string name) =>
        item.TryGetProperty(name, out var value) && value.ValueKind != JsonValueKind.Null ? value : null;
}
