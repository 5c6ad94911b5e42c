using System.Text.Json;

namespace Gateway.Api.Wire;

/// <summary>What kind of constraint a reply obeys.</summary>
public enum ReplyFormatKind
{
    /// <summary>Any JSON object.</summary>
    JsonObject,

    /// <summary>JSON that is valid under a schema.</summary>
    JsonSchema,

    /// <summary>Text that a regular expression matches as a whole.</summary>
    Regex,

    /// <summary>One of several texts.</summary>
    Choice,
}

/// <summary>
/// What the reply must look like, enforced while it is decoded: OpenAI's <c>response_format</c> or vLLM's
/// <c>structured_outputs</c>.
/// </summary>
/// <param name="Kind">The kind of constraint.</param>
/// <param name="Field">Dotted path of the constraint in the request, for errors.</param>
/// <param name="Source">The schema as JSON, the pattern, the choices as a JSON array; empty for any object.</param>
public sealed record ReplyFormat(ReplyFormatKind Kind, string Field, string Source)
{
    /// <summary>The field of OpenAI's dialect.</summary>
    internal const string ResponseFormat = "response_format";

    /// <summary>The field of vLLM's dialect.</summary>
    internal const string StructuredOutputs = "structured_outputs";

    /// <summary>Writes the member of a worker's request in the dialect in which the constraint came, so that errors name the caller's field.</summary>
    internal void WriteTo(Utf8JsonWriter writer)
    {
        if (Field.StartsWith(StructuredOutputs, StringComparison.Ordinal))
        {
            WriteStructuredOutputs(writer);
            return;
        }

        writer.WriteStartObject(ResponseFormat);
        if (Kind == ReplyFormatKind.JsonObject)
        {
            writer.WriteString("type", "json_object");
        }
        else
        {
            writer.WriteString("type", "json_schema");
            writer.WriteStartObject("json_schema");
            writer.WriteString("name", "reply");
            writer.WritePropertyName("schema");
            writer.WriteRawValue(Source);
            writer.WriteBoolean("strict", true);
            writer.WriteEndObject();
        }

        writer.WriteEndObject();
    }

    private void WriteStructuredOutputs(Utf8JsonWriter writer)
    {
        writer.WriteStartObject(StructuredOutputs);
        switch (Kind)
        {
            case ReplyFormatKind.JsonObject:
                writer.WriteBoolean("json_object", true);
                break;
            case ReplyFormatKind.Regex:
                writer.WriteString("regex", Source);
                break;
            default:
                writer.WritePropertyName(Kind == ReplyFormatKind.JsonSchema ? "json" : "choice");
                writer.WriteRawValue(Source);
                break;
        }

        writer.WriteEndObject();
    }
}
