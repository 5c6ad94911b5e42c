using System.Text.Json;

namespace Gateway.FrontDoor;

/// <summary>The elder form of calls for callers that sent <c>functions</c>: workers know only <c>tool_calls</c>.</summary>
internal static class FunctionCallForm
{
    /// <summary>Writes the <c>choices</c> of a reply or event with <c>function_call</c> in place of the first of <c>tool_calls</c>.</summary>
    /// <exception cref="InvalidOperationException">A member has another type than the dialect says.</exception>
    public static void WriteChoices(Utf8JsonWriter writer, JsonElement choices)
    {
        writer.WriteStartArray("choices");
        foreach (var choice in choices.EnumerateArray())
        {
            writer.WriteStartObject();
            foreach (var member in choice.EnumerateObject())
            {
                switch (member.Name)
                {
                    case "delta" or "message":
                        WriteMessage(writer, member);
                        break;
                    case "finish_reason" when member.Value.ValueKind == JsonValueKind.String && member.Value.ValueEquals("tool_calls"):
                        writer.WriteString("finish_reason", "function_call");
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

    private static void WriteMessage(Utf8JsonWriter writer, JsonProperty message)
    {
        writer.WriteStartObject(message.Name);
        foreach (var member in message.Value.EnumerateObject())
        {
            if (member.Name != "tool_calls")
            {
                member.WriteTo(writer);
            }
            else if (member.Value.ValueKind == JsonValueKind.Array && member.Value.GetArrayLength() > 0 && member.Value[0].TryGetProperty("function", out var function))
            {
                writer.WritePropertyName("function_call");
                function.WriteTo(writer);
            }
        }

        writer.WriteEndObject();
    }
}
