using System.Text.Json;

namespace Gateway.Responses;

/// <summary>What an item of a conversation is.</summary>
internal enum ResponseItemKind
{
    /// <summary>A message of somebody.</summary>
    Message,

    /// <summary>A function call of the model.</summary>
    Call,

    /// <summary>What a function gave back.</summary>
    Output,

    /// <summary>The id of an item that is stored.</summary>
    Reference,
}

/// <summary>A part of a message.</summary>
/// <param name="Type">input_text, output_text or refusal.</param>
/// <param name="Text">Its text.</param>
internal sealed record ResponsePart(string Type, string Text);

/// <summary>An item of a conversation in its normal form, in which it is stored and listed. Immutable.</summary>
/// <param name="Kind">What it is; only the members of its kind are set.</param>
/// <param name="Id">Its id; empty while it has none.</param>
internal sealed record ResponseItem(ResponseItemKind Kind, string Id)
{
    /// <summary>Of a message: user, assistant, system or developer.</summary>
    public string Role { get; init; } = "";

    /// <summary>Of a message.</summary>
    public IReadOnlyList<ResponsePart> Parts { get; init; } = [];

    /// <summary>Of a call and its output: what ties them together.</summary>
    public string CallId { get; init; } = "";

    /// <summary>Of a call: the function.</summary>
    public string Name { get; init; } = "";

    /// <summary>Of a call: its arguments as JSON text, which may be cut; of an output: the text.</summary>
    public string Text { get; init; } = "";

    /// <summary>True for a call that was cut, so that it was never made.</summary>
    public bool IsIncomplete { get; init; }

    /// <summary>What ids of its kind begin with.</summary>
    public string IdPrefix => Kind == ResponseItemKind.Message ? ResponseItemIds.Message : ResponseItemIds.Call;

    /// <summary>Writes the normal form.</summary>
    public void WriteTo(Utf8JsonWriter json)
    {
        json.WriteStartObject();
        json.WriteString("id", Id);
        switch (Kind)
        {
            case ResponseItemKind.Message:
                json.WriteString("type", "message");
                json.WriteString("status", "completed");
                json.WriteString("role", Role);
                json.WriteStartArray("content");
                foreach (var part in Parts)
                {
                    WritePart(json, part);
                }

                json.WriteEndArray();
                break;
            case ResponseItemKind.Call:
                json.WriteString("type", "function_call");
                json.WriteString("status", IsIncomplete ? "incomplete" : "completed");
                json.WriteString("call_id", CallId);
                json.WriteString("name", Name);
                json.WriteString("arguments", Text);
                break;
            default:
                json.WriteString("type", "function_call_output");
                json.WriteString("status", "completed");
                json.WriteString("call_id", CallId);
                json.WriteString("output", Text);
                break;
        }

        json.WriteEndObject();
    }

    private static void WritePart(Utf8JsonWriter json, ResponsePart part)
    {
        json.WriteStartObject();
        json.WriteString("type", part.Type);
        json.WriteString(part.Type == "refusal" ? "refusal" : "text", part.Text);
        if (part.Type == "output_text")
        {
            json.WriteStartArray("annotations");
            json.WriteEndArray();
            json.WriteStartArray("logprobs");
            json.WriteEndArray();
        }

        json.WriteEndObject();
    }
}
