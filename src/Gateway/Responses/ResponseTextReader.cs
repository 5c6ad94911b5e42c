using System.Text.Json;
using Gateway.Api.Wire;

namespace Gateway.Responses;

/// <summary>Reads <c>text</c>: the form of the reply, flat, and how long-winded it is.</summary>
internal sealed class ResponseTextReader(FieldReader fields, List<string> ignored)
{
    /// <summary>Where a schema stands in the request.</summary>
    public const string SchemaField = "text.format.schema";

    private const string Path = "text.format";

    /// <summary>The constraint asked for, or null.</summary>
    public ReplyFormat? Format { get; private set; }

    /// <summary>The form as it is echoed, or null for text.</summary>
    public JsonElement? Echo { get; private set; }

    /// <summary>low, medium or high; null when not given.</summary>
    public string? Verbosity { get; private set; }

    /// <summary>Reads the object.</summary>
    public void Read(JsonElement value)
    {
        if (fields.OfKind(value, "text", JsonValueKind.Object) is not { } text)
        {
            return;
        }

        foreach (var member in text.EnumerateObject())
        {
            if (member.Value.ValueKind == JsonValueKind.Null)
            {
                continue;
            }

            switch (member.Name)
            {
                case "format":
                    ReadFormat(member.Value);
                    break;
                case "verbosity":
                    Verbosity = fields.Text(member.Value, "text.verbosity");
                    if (Verbosity is not (null or "low" or "medium" or "high"))
                    {
                        fields.Fail(ApiError.InvalidValue("text.verbosity", "expected low, medium or high."));
                    }

                    break;
                default:
                    ignored.Add($"text.{member.Name}");
                    break;
            }
        }
    }

    private void ReadFormat(JsonElement value)
    {
        if (fields.OfKind(value, Path, JsonValueKind.Object) is not { } format)
        {
            return;
        }

        switch (Given(format, "type") is { } type ? fields.Text(type, Path + ".type") : null)
        {
            case "text":
                break;
            case "json_object":
                Format = new ReplyFormat(ReplyFormatKind.JsonObject, Path, "");
                Echo = WireJson.Element(json =>
                {
                    json.WriteStartObject();
                    json.WriteString("type", "json_object");
                    json.WriteEndObject();
                });
                break;
            case "json_schema":
                ReadSchema(format);
                break;
            case null:
                fields.Fail(ApiError.MissingParameter(Path + ".type"));
                break;
            default:
                fields.Fail(ApiError.UnsupportedParameter(Path + ".type", "Use 'text', 'json_object' or 'json_schema'."));
                break;
        }
    }

    private void ReadSchema(JsonElement format)
    {
        if (Given(format, "json_schema") is not null)
        {
            fields.Fail(ApiError.UnsupportedParameter(Path + ".json_schema", "The format is flat here: put 'name', 'schema' and 'strict' beside 'type'."));
            return;
        }

        if (Given(format, "name") is not { } given || fields.Text(given, Path + ".name") is not { } name)
        {
            fields.Fail(ApiError.MissingParameter(Path + ".name"));
            return;
        }

        if (!ResponseToolsReader.IsName(name))
        {
            fields.Fail(ApiError.InvalidValue(Path + ".name", "expected 1 to 64 letters, digits, '_' or '-'."));
        }

        if (Given(format, "schema") is not { } schema)
        {
            fields.Fail(ApiError.MissingParameter(SchemaField));
            return;
        }

        var strict = Given(format, "strict") is { } wish ? fields.Truth(wish, Path + ".strict") : null;
        var description = Given(format, "description") is { } words ? fields.Text(words, Path + ".description") : null;
        if (fields.OfKind(schema, SchemaField, JsonValueKind.Object) is null || fields.Error is not null)
        {
            return;
        }

        // A schema is never only a hint where it can be enforced.
        var problem = SchemaCheck.ProblemOf(schema);
        if (strict is true && problem is not null)
        {
            fields.Fail(ApiError.UnsupportedSchema(SchemaField, problem.Pointer, problem.Problem));
        }

        Format = problem is null ? new ReplyFormat(ReplyFormatKind.JsonSchema, SchemaField, schema.GetRawText()) : null;
        Echo = WireJson.Element(json =>
        {
            json.WriteStartObject();
            json.WriteString("type", "json_schema");
            json.WriteString("name", name);
            json.WriteString("description", description);
            json.WritePropertyName("schema");
            schema.WriteTo(json);
            json.WriteBoolean("strict", strict ?? problem is null);
            json.WriteEndObject();
        });
    }

    private static JsonElement? Given(JsonElement item, string name) =>
        item.TryGetProperty(name, out var value) && value.ValueKind != JsonValueKind.Null ? value : null;
}
