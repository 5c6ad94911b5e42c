using System.Text.Json;

namespace Gateway.Api.Wire;

/// <summary>Reads <c>response_format</c> and <c>structured_outputs</c>; what cannot be enforced is refused by name.</summary>
internal sealed class ReplyFormatReader(FieldReader fields)
{
    private const int MaximumChoices = 10_000;

    /// <summary>The constraint asked for, or null.</summary>
    public ReplyFormat? Format { get; private set; }

    /// <summary>OpenAI's field.</summary>
    public void ReadResponseFormat(JsonElement value)
    {
        const string Name = ReplyFormat.ResponseFormat;
        if (fields.OfKind(value, Name, JsonValueKind.Object) is not { } format)
        {
            return;
        }

        var type = format.TryGetProperty("type", out var given) && given.ValueKind == JsonValueKind.String ? given.GetString() : null;
        switch (type)
        {
            case "text":
                break;
            case "json_object":
                Take(new ReplyFormat(ReplyFormatKind.JsonObject, Name, ""));
                break;
            case "json_schema":
                ReadSchemaFormat(format);
                break;
            case null:
                fields.Fail(ApiError.MissingParameter(Name + ".type"));
                break;
            default:
                fields.Fail(ApiError.UnsupportedParameter(Name + ".type", "Use 'text', 'json_object' or 'json_schema'."));
                break;
        }
    }

    /// <summary>vLLM's field: exactly one constraint.</summary>
    public void ReadStructuredOutputs(JsonElement value)
    {
        if (fields.OfKind(value, ReplyFormat.StructuredOutputs, JsonValueKind.Object) is not { } constraints)
        {
            return;
        }

        foreach (var member in constraints.EnumerateObject())
        {
            if (member.Value.ValueKind != JsonValueKind.Null)
            {
                ReadConstraint(member.Name, member.Value, $"{ReplyFormat.StructuredOutputs}.{member.Name}");
            }
        }
    }

    private void ReadSchemaFormat(JsonElement format)
    {
        const string Path = ReplyFormat.ResponseFormat + ".json_schema";
        if (!format.TryGetProperty("json_schema", out var given))
        {
            fields.Fail(ApiError.MissingParameter(Path));
        }
        else if (fields.OfKind(given, Path, JsonValueKind.Object) is { } wrapper)
        {
            if (!wrapper.TryGetProperty("schema", out var schema) || schema.ValueKind == JsonValueKind.Null)
            {
                fields.Fail(ApiError.MissingParameter(Path + ".schema"));
            }
            else if (fields.OfKind(schema, Path + ".schema", JsonValueKind.Object) is not null)
            {
                // Enforced with and without 'strict': a schema is never only a hint.
                Take(new ReplyFormat(ReplyFormatKind.JsonSchema, Path + ".schema", schema.GetRawText()));
            }
        }
    }

    private void ReadConstraint(string name, JsonElement value, string path)
    {
        switch (name)
        {
            case "json":
                // vLLM takes a schema as an object or as text.
                Take(new ReplyFormat(ReplyFormatKind.JsonSchema, path, value.ValueKind == JsonValueKind.String ? SchemaText(value, path) : value.GetRawText()));
                break;
            case "regex" when fields.Text(value, path) is { } pattern:
                Take(new ReplyFormat(ReplyFormatKind.Regex, path, pattern));
                break;
            case "choice" when fields.OfKind(value, path, JsonValueKind.Array) is { } choices:
                if (choices.GetArrayLength() is 0 or > MaximumChoices || choices.EnumerateArray().Any(choice => choice.ValueKind != JsonValueKind.String))
                {
                    fields.Fail(ApiError.InvalidValue(path, $"expected 1 to {MaximumChoices} strings."));
                }

                Take(new ReplyFormat(ReplyFormatKind.Choice, path, choices.GetRawText()));
                break;
            case "json_object" when fields.Truth(value, path) is { } isObject:
                if (isObject)
                {
                    Take(new ReplyFormat(ReplyFormatKind.JsonObject, path, ""));
                }

                break;
            case "regex" or "choice" or "json_object":
                // Refused above.
                break;
            case "disable_fallback" or "disable_any_whitespace":
                // There is no fallback, and whitespace is bounded anyway.
                fields.Truth(value, path);
                break;
            default:
                fields.Fail(ApiError.UnsupportedParameter(path, "Use 'json', 'regex', 'choice' or 'json_object'."));
                break;
        }
    }

    private string SchemaText(JsonElement value, string path)
    {
        try
        {
            using var document = JsonDocument.Parse(value.GetString()!);
            return document.RootElement.GetRawText();
        }
        catch (Exception error) when (error is JsonException or InvalidOperationException)
        {
            fields.Fail(ApiError.InvalidValue(path, "expected a JSON Schema, as an object or as the text of one."));
            return "";
        }
    }

    private void Take(ReplyFormat format)
    {
        if (Format is not null)
        {
            fields.Fail(ApiError.InvalidValue(format.Field, $"only one constraint can be enforced, and '{Format.Field}' is given, too."));
        }

        Format = format;
    }
}
