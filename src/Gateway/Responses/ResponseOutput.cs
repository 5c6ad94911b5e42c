using System.Security.Cryptography;
using System.Text.Json;

namespace Gateway.Responses;

/// <summary>
/// The items of a reply in the order in which they are made, and the events that tell of them. One item is open at a time: the
/// next one begins when it has ended. Used by one thread at a time.
/// </summary>
/// <param name="ids">Gives items their ids.</param>
/// <param name="callIds">The ids of calls made so far in the conversation; grows.</param>
/// <param name="events">Gets the events, or null for a reply that is not streamed.</param>
internal sealed class ResponseOutput(ResponseItemIds ids, HashSet<string> callIds, ResponseEvents? events)
{
    private static readonly Func<string, string> AsIs = text => text;
    private readonly List<string> _waiting = [];
    private OutputItem? _open;

    /// <summary>The items.</summary>
    public List<OutputItem> Items { get; } = [];

    /// <summary>Adds log-probabilities of tokens whose text comes now or later.</summary>
    public void AddLogprobs(JsonElement tokens)
    {
        foreach (var token in tokens.EnumerateArray())
        {
            _waiting.Add(token.GetRawText());
        }
    }

    /// <summary>Adds text or words of refusal.</summary>
    public void AddText(string text, bool isRefusal = false)
    {
        if (text.Length == 0)
        {
            return;
        }

        var part = PartFor(isRefusal);
        part.Text.Append(text);
        if (events is not null && Begin(isRefusal ? "response.refusal.delta" : "response.output_text.delta", content: true) is { } json)
        {
            json.WriteString("delta", text);
            if (!isRefusal)
            {
                OutputPart.WriteLogprobs(json, _waiting);
            }

            events.End();
        }

        part.Logprobs.AddRange(_waiting);
        _waiting.Clear();
    }

    /// <summary>Adds a whole call or news of one.</summary>
    /// <exception cref="InvalidOperationException">The worker goes back to a call that had ended, or gives it no name.</exception>
    public void AddCall(int number, string? id, string? name, string? arguments)
    {
        if (_open is not { IsCall: true } || _open.Number != number)
        {
            if (Items.Exists(item => item.IsCall && item.Number == number))
            {
                throw new InvalidOperationException("The worker goes back to a call that had ended.");
            }

            Close("completed");
            var isFresh = !string.IsNullOrEmpty(id) && callIds.Add(id);
            Open(new OutputItem(ids.Next(ResponseItemIds.Call))
            {
                CallId = isFresh ? id : "call_" + RandomNumberGenerator.GetHexString(24, lowercase: true),
                Name = name ?? throw new InvalidOperationException("The worker gives a call without a name."),
                Number = number,
            });
        }

        if (string.IsNullOrEmpty(arguments))
        {
            return;
        }

        _open!.Arguments.Append(arguments);
        if (events is not null && Begin("response.function_call_arguments.delta") is { } json)
        {
            json.WriteString("delta", arguments);
            events.End();
        }
    }

    /// <summary>Ends the reply; an item that is open is complete or not. A reply of nothing has an empty message.</summary>
    public void Finish(bool isComplete)
    {
        if (Items.Count == 0)
        {
            PartFor(isRefusal: false);
        }

        Close(isComplete ? "completed" : "incomplete");
    }

    /// <summary>The reply breaks off: nothing more is said of the item that is open.</summary>
    public void BreakOff()
    {
        if (_open is not null)
        {
            (_open.Status, _open) = ("incomplete", null);
        }
    }

    /// <summary>Writes the member <c>output</c>; <paramref name="text"/> changes its texts.</summary>
    public void WriteTo(Utf8JsonWriter json, Func<string, string> text)
    {
        json.WriteStartArray("output");
        Items.ForEach(item => item.WriteTo(json, text));
        json.WriteEndArray();
    }

    private OutputPart PartFor(bool isRefusal)
    {
        if (_open is null or { IsCall: true })
        {
            Close("completed");
            Open(new OutputItem(ids.Next(ResponseItemIds.Message)));
        }

        if (_open!.Parts.Count > 0 && _open.Parts[^1].IsRefusal == isRefusal)
        {
            return _open.Parts[^1];
        }

        EndPart();
        var part = new OutputPart(isRefusal);
        _open.Parts.Add(part);
        WritePart("response.content_part.added", part);
        return part;
    }

    private void Open(OutputItem item)
    {
        // An item is added without content; parts are told by events of their own.
        _open = item;
        Items.Add(item);
        WriteItem("response.output_item.added", item);
    }

    private void Close(string status)
    {
        if (_open is not { } item)
        {
            return;
        }

        if (!item.IsCall)
        {
            EndPart();
        }
        else if (status == "completed" && events is not null && Begin("response.function_call_arguments.done") is { } json)
        {
            // Clients execute on this event, so a call that was cut has none.
            json.WriteString("name", item.Name);
            json.WriteString("arguments", item.Arguments.ToString());
            events.End();
        }

        item.Status = status;
        WriteItem("response.output_item.done", item);
        _open = null;
    }

    private void EndPart()
    {
        if (_open!.Parts.Count == 0)
        {
            return;
        }

        var part = _open.Parts[^1];
        if (!part.IsRefusal)
        {
            part.Logprobs.AddRange(_waiting);
            _waiting.Clear();
        }

        if (events is not null && Begin(part.IsRefusal ? "response.refusal.done" : "response.output_text.done", content: true) is { } json)
        {
            json.WriteString(part.IsRefusal ? "refusal" : "text", part.Text.ToString());
            if (!part.IsRefusal)
            {
                OutputPart.WriteLogprobs(json, part.Logprobs);
            }

            events.End();
        }

        WritePart("response.content_part.done", part);
    }

    private void WriteItem(string type, OutputItem item)
    {
        if (events?.Begin(type) is { } json)
        {
            json.WriteNumber("output_index", Items.Count - 1);
            json.WritePropertyName("item");
            item.WriteTo(json, AsIs);
            events.End();
        }
    }

    private void WritePart(string type, OutputPart part)
    {
        if (events is not null && Begin(type, content: true) is { } json)
        {
            json.WritePropertyName("part");
            part.WriteTo(json, AsIs);
            events.End();
        }
    }

    /// <summary>An event about the open item, or about its last part.</summary>
    private Utf8JsonWriter Begin(string type, bool content = false)
    {
        var json = events!.Begin(type);
        json.WriteString("item_id", _open!.Id);
        json.WriteNumber("output_index", Items.Count - 1);
        if (content)
        {
            json.WriteNumber("content_index", _open.Parts.Count - 1);
        }

        return json;
    }
}
