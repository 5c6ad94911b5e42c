using System.Text;
using System.Text.Json;

namespace Gateway.Responses;

/// <summary>A part of a message that is being written.</summary>
internal sealed class OutputPart(bool isRefusal)
{
    /// <summary>True for words that decline to answer.</summary>
    public bool IsRefusal => isRefusal;

    /// <summary>What was said.</summary>
    public StringBuilder Text { get; } = new();

    /// <summary>The log-probabilities of its tokens as JSON objects.</summary>
    public List<string> Logprobs { get; } = [];

    /// <summary>Writes the part; <paramref name="text"/> changes its text.</summary>
    public void WriteTo(Utf8JsonWriter json, Func<string, string> text)
    {
        json.WriteStartObject();
        json.WriteString("type", isRefusal ? "refusal" : "output_text");
        json.WriteString(isRefusal ? "refusal" : "text", text(Text.ToString()));
        if (!isRefusal)
        {
            json.WriteStartArray("annotations");
            json.WriteEndArray();
            WriteLogprobs(json, Logprobs);
        }

        json.WriteEndObject();
    }

    /// <summary>Writes the member <c>logprobs</c>, which is always an array.</summary>
    public static void WriteLogprobs(Utf8JsonWriter json, IEnumerable<string> logprobs)
    {
        json.WriteStartArray("logprobs");
        foreach (var token in logprobs)
        {
            json.WriteRawValue(token);
        }

        json.WriteEndArray();
    }
}

/// <summary>An item of a reply that is being written: a message or a function call.</summary>
internal sealed class OutputItem(string id)
{
    /// <summary>Its id.</summary>
    public string Id => id;

    /// <summary>in_progress, completed or incomplete.</summary>
    public string Status { get; set; } = "in_progress";

    /// <summary>Of a message.</summary>
    public List<OutputPart> Parts { get; } = [];

    /// <summary>Of a call; null for a message.</summary>
    public string? CallId { get; init; }

    /// <summary>Of a call: the function.</summary>
    public string Name { get; init; } = "";

    /// <summary>Of a call: its number in the worker's reply.</summary>
    public int Number { get; init; }

    /// <summary>Of a call: its arguments so far.</summary>
    public StringBuilder Arguments { get; } = new();

    /// <summary>True for a call.</summary>
    public bool IsCall => CallId is not null;

    /// <summary>Writes the item as it stands; <paramref name="text"/> changes its texts.</summary>
    public void WriteTo(Utf8JsonWriter json, Func<string, string> text)
    {
        json.WriteStartObject();
        json.WriteString("id", id);
        json.WriteString("type", IsCall ? "function_call" : "message");
        json.WriteString("status", Status);
        if (IsCall)
        {
            json.WriteString("call_id", CallId);
            json.WriteString("name", Name);
            json.WriteString("arguments", text(Arguments.ToString()));
        }
        else
        {
            json.WriteString("role", "assistant");
            json.WriteStartArray("content");
            Parts.ForEach(part => part.WriteTo(json, text));
            json.WriteEndArray();
        }

        json.WriteEndObject();
    }

    /// <summary>About what it takes in the store.</summary>
    public long Size => 64 + Arguments.Length + Parts.Sum(part => (long)part.Text.Length);
}
