using System.Text.Json;
using Gateway.Api.Wire;
using Gateway.Domain.Interactions;

namespace Gateway.Responses;

/// <summary>A conversation's items as the messages of a chat.</summary>
/// <param name="Messages">What the model is shown.</param>
/// <param name="Sources">For each message the number of the only item it came from; −1 where there is none or were several.</param>
internal sealed record RenderedItems(IReadOnlyList<ChatMessage> Messages, IReadOnlyList<int> Sources);

/// <summary>
/// Turns a whole conversation into messages: the same items always give the same ones, so workers find what they have read
/// before. What the assistant said and called up to the first output is one message; outputs follow in the order of the calls.
/// </summary>
internal static class ResponseMessages
{
    /// <summary>Checks that calls and outputs pair by <c>call_id</c>; a call that was cut counts as never made.</summary>
    public static ApiError? Check(IReadOnlyList<ResponseItem> items)
    {
        var calls = new HashSet<string>(StringComparer.Ordinal);
        var outputs = new HashSet<string>(StringComparer.Ordinal);
        foreach (var item in items)
        {
            if (item is { Kind: ResponseItemKind.Call, IsIncomplete: false } && !calls.Add(item.CallId))
            {
                return ApiError.InvalidInput($"Two function calls have the call_id {item.CallId}. Give each call an id of its own.");
            }

            if (item.Kind == ResponseItemKind.Output && !outputs.Add(item.CallId))
            {
                return ApiError.InvalidInput($"Two function call outputs have the call_id {item.CallId}. Send one output per call.");
            }
        }

        return outputs.FirstOrDefault(id => !calls.Contains(id)) is { } loose
                ? ApiError.InvalidInput($"No tool call found for function call output with call_id {loose}. Send the call, too, or continue the response that made it.")
            : calls.FirstOrDefault(id => !outputs.Contains(id)) is { } open
                ? ApiError.InvalidInput($"No tool output found for function call {open}. Send its function_call_output.")
            : null;
    }

    /// <summary>Renders items that passed <see cref="Check"/>.</summary>
    public static RenderedItems Render(string? instructions, IReadOnlyList<ResponseItem> items)
    {
        var turn = new Turn(items);
        if (instructions is not null)
        {
            turn.Add(new ChatMessage { Role = "developer", Content = instructions }, source: -1);
        }

        foreach (var (index, item) in items.Index())
        {
            switch (item.Kind)
            {
                case ResponseItemKind.Message when item.Role == "assistant":
                    turn.Say(Text(item), index);
                    break;
                case ResponseItemKind.Message:
                    turn.Close();
                    turn.Add(new ChatMessage { Role = item.Role, Content = Text(item) }, index);
                    break;
                case ResponseItemKind.Call when !item.IsIncomplete:
                    turn.Call(item);
                    break;
                case ResponseItemKind.Output:
                    turn.Close();
                    break;
            }
        }

        turn.Close();
        return new(turn.Messages, turn.Sources);
    }

    private static string Text(ResponseItem message) => string.Concat(message.Parts.Select(part => part.Text));

    /// <summary>The messages so far and what the assistant has said and called since.</summary>
    private sealed class Turn(IReadOnlyList<ResponseItem> items)
    {
        private readonly Dictionary<string, int> _outputs = items.Index().Where(pair => pair.Item.Kind == ResponseItemKind.Output)
            .ToDictionary(pair => pair.Item.CallId, pair => pair.Index, StringComparer.Ordinal);

        private readonly List<ResponseItem> _calls = [];
        private string? _text;
        private int _source = -1;

        public List<ChatMessage> Messages { get; } = [];

        public List<int> Sources { get; } = [];

        public void Add(ChatMessage message, int source)
        {
            Messages.Add(message);
            Sources.Add(source);
        }

        public void Say(string text, int source)
        {
            if (_text is not null && _calls.Count == 0)
            {
                Close();
            }

            (_text, _source) = (_text + text, _text is null ? source : -1);
        }

        public void Call(ResponseItem call) => _calls.Add(call);

        public void Close()
        {
            if (_text is null && _calls.Count == 0)
            {
                return;
            }

            Add(new ChatMessage { Role = "assistant", Content = _text, ToolCalls = _calls.Count == 0 ? null : WireJson.Element(WriteCalls) }, _source);
            foreach (var call in _calls)
            {
                var output = _outputs[call.CallId];
                Add(new ChatMessage { Role = "tool", Content = items[output].Text, ToolCallId = call.CallId }, output);
            }

            _calls.Clear();
            (_text, _source) = (null, -1);
        }

        private void WriteCalls(Utf8JsonWriter json)
        {
            json.WriteStartArray();
            foreach (var call in _calls)
            {
                json.WriteStartObject();
                json.WriteString("id", call.CallId);
                json.WriteString("type", "function");
                json.WriteStartObject("function");
                json.WriteString("name", call.Name);
                json.WriteString("arguments", call.Text);
                json.WriteEndObject();
                json.WriteEndObject();
            }

            json.WriteEndArray();
        }
    }
}
