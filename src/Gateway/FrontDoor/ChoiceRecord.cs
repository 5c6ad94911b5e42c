using System.Text;
using System.Text.Json;
using Gateway.Api.Wire;

namespace Gateway.FrontDoor;

/// <summary>What is known of one choice while it passes by.</summary>
internal sealed class ChoiceRecord
{
    private readonly SortedDictionary<int, Call> _calls = [];

    // A whole reply has one text, which is kept as it came; the builder is for streams.
    private string? _only;
    private StringBuilder? _text;

    /// <summary>Its text so far.</summary>
    public string Text => _text?.ToString() ?? _only ?? "";

    /// <summary>The reason it ended with, or null.</summary>
    public string? FinishReason { get; set; }

    /// <summary>Its calls as OpenAI's array, or null when it has none.</summary>
    public JsonElement? ToolCalls => _calls.Count == 0 ? null : WireJson.Element(writer =>
    {
        writer.WriteStartArray();
        foreach (var call in _calls.Values)
        {
            writer.WriteStartObject();
            writer.WriteString("id", call.Id);
            writer.WriteString("type", "function");
            writer.WriteStartObject("function");
            writer.WriteString("name", call.Name);
            writer.WriteString("arguments", call.Arguments.ToString());
            writer.WriteEndObject();
            writer.WriteEndObject();
        }

        writer.WriteEndArray();
    });

    /// <summary>Adds text.</summary>
    public void AddText(string text)
    {
        if (_only is null)
        {
            _only = text;
            return;
        }

        _text ??= new StringBuilder(_only);
        _text.Append(text);
    }

    /// <summary>Adds whole calls or news of them.</summary>
    /// <exception cref="InvalidOperationException">A member has another type than the dialect says.</exception>
    public void AddCalls(JsonElement calls)
    {
        foreach (var (place, news) in calls.EnumerateArray().Index())
        {
            var index = news.TryGetProperty("index", out var given) ? given.GetInt32() : place;
            var function = news.TryGetProperty("function", out var found) ? found : default;
            AddCall(index, Member(news, "id"), Member(function, "name"), Member(function, "arguments"));
        }
    }

    /// <summary>Adds a whole call or news of one.</summary>
    public void AddCall(int index, string? id, string? name, string? arguments)
    {
        if (!_calls.TryGetValue(index, out var call))
        {
            _calls.Add(index, call = new Call());
        }

        call.Id ??= id;
        call.Name ??= name;
        call.Arguments.Append(arguments);
    }

    private static string? Member(JsonElement item, string name) => item.ValueKind == JsonValueKind.Object && item.TryGetProperty(name, out var value) ? value.GetString() : null;

    private sealed class Call
    {
        public string? Id { get; set; }

        public string? Name { get; set; }

        public StringBuilder Arguments { get; } = new();
    }
}
