using Gateway.Api.Wire;

namespace Gateway.Responses;

/// <summary>Gives errors of the chat road the names that this API's fields have.</summary>
internal static class ResponseErrors
{
    private static readonly (string Chat, string Here)[] Names =
    [
        ("response_format.json_schema.schema", ResponseTextReader.SchemaField),
        ("response_format", "text.format"),
        ("max_completion_tokens", "max_output_tokens"),
        ("tool_choice.function.name", "tool_choice.name"),
        ("messages", "input"),
    ];

    /// <summary>The error in this API's words.</summary>
    /// <param name="error">The road's, or a worker's.</param>
    /// <param name="hasInstructions">True when the only message of the system may be that of <c>instructions</c>.</param>
    public static ApiError Translate(ApiError error, bool hasInstructions)
    {
        var message = error.Message;
        foreach (var (chat, here) in Names)
        {
            message = message.Replace($"'{chat}'", $"'{here}'", StringComparison.Ordinal);
        }

        var param = error.Code == "system_message_not_allowed" && hasInstructions ? "instructions" : error.Param;
        foreach (var (chat, here) in Names)
        {
            if (param?.StartsWith(chat, StringComparison.Ordinal) == true)
            {
                param = here + param[chat.Length..];
                break;
            }
        }

        return error with { Message = message, Param = param };
    }
}
