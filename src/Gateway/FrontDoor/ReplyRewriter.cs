using System.Buffers;
using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json;
using Gateway.Api.Wire;
using Gateway.Domain.Interactions;
using Gateway.Guards;

namespace Gateway.FrontDoor;

/// <summary>
/// Rewrites a worker's reply objects for the client and notes what the record needs: text, finish reason, usage. The
/// worker's id, time and model name are replaced; the generation and contract that answered are added.
/// </summary>
internal sealed class ReplyRewriter(Exchange exchange)
{
    private readonly Utf8JsonWriter _writer = new(Stream.Null, WireJson.WriterOptions);
    private readonly ChunkTemplate _template = new();
    private int? _choicesAt;

    /// <summary>Writes a completion.</summary>
    /// <exception cref="InvalidOperationException">A member has another type than the dialect says.</exception>
    /// <param name="reply">The worker's object.</param>
    /// <param name="guarded">What guards let through of its texts, or null where none look at replies.</param>
    /// <param name="output">Gets the client's.</param>
    public void WriteWhole(JsonElement reply, GuardedChoices? guarded, IBufferWriter<byte> output)
    {
        Note(reply, guarded);
        Write(reply, guarded, output);
    }

    /// <summary>
    /// Writes the event of a stream's chunk. There is none for the usage chunk of a client that did not ask for it, and where
    /// guards hold everything back.
    /// </summary>
    /// <exception cref="InvalidOperationException">A member has another type than the dialect says.</exception>
    public void WriteEvent(JsonElement chunk, GuardedChoices? guarded, PooledBuffer output)
    {
        if (guarded is { IsEmpty: true })
        {
            return;
        }

        var choices = Note(chunk, guarded);
        if (!exchange.Request.IncludeUsage && IsUsage(chunk, choices))
        {
            return;
        }

        var start = output.Count;
        output.Write("data: "u8);
        Write(chunk, guarded, output);
        output.Write("\n\n"u8);
        if (_choicesAt is { } at && OnlyText(chunk, choices) is { } text)
        {
            _template.Learn(chunk, text, output.Written.Span[start..], choices, "data: "u8.Length + at, RecordOf(choices[0]));
        }
    }

    /// <summary>Writes the event of a chunk that differs from an earlier one in its text alone; false, with nothing noted or written, for others.</summary>
    public bool TryRepeatEvent(ReadOnlySpan<byte> chunk, PooledBuffer output)
    {
        if (!_template.TryWrite(chunk, output, out var text))
        {
            return false;
        }

        NoteText(_template.Choice!, Encoding.UTF8.GetString(text));
        return true;
    }

    /// <summary>Notes what the record needs of a completion or a chunk.</summary>
    /// <exception cref="InvalidOperationException">A member has another type than the dialect says.</exception>
    /// <returns>Its choices; undefined when it has none.</returns>
    public JsonElement Note(JsonElement reply, GuardedChoices? guarded)
    {
        var choices = reply.TryGetProperty("choices", out var given) && given.ValueKind == JsonValueKind.Array ? given : default;

        if (choices.ValueKind == JsonValueKind.Array)
        {
            foreach (var choice in choices.EnumerateArray())
            {
                NoteChoice(choice, guarded);
            }
        }

        if (reply.TryGetProperty("usage", out var usage) && usage.ValueKind == JsonValueKind.Object)
        {
            exchange.Usage = new(Count(usage, "prompt_tokens"), Count(usage, "completion_tokens"));
        }

        return choices;
    }

    /// <summary>True for the chunk that brings the usage and nothing else.</summary>
    private static bool IsUsage(JsonElement reply, JsonElement choices) =>
        choices.ValueKind == JsonValueKind.Array && choices.GetArrayLength() == 0
        && reply.TryGetProperty("usage", out var usage) && usage.ValueKind == JsonValueKind.Object;

    /// <summary>The text that a chunk brings to its one choice; null when it has other news, too, or none.</summary>
    private static JsonElement? OnlyText(JsonElement chunk, JsonElement choices) =>
        choices.ValueKind == JsonValueKind.Array && choices.GetArrayLength() == 1
        && !Has(choices[0], "finish_reason"u8) && PartOf(choices[0]) is var part && !Has(part, "tool_calls"u8) && !Has(chunk, "usage"u8)
        && TextOf(part) is { } text
            ? text
            : null;

    private static bool Has(JsonElement item, ReadOnlySpan<byte> name) => item.TryGetProperty(name, out var value) && value.ValueKind != JsonValueKind.Null;

    private void Write(JsonElement reply, GuardedChoices? guarded, IBufferWriter<byte> output)
    {
        var writer = _writer;
        writer.Reset(output);
        _choicesAt = null;
        writer.WriteStartObject();
        writer.WriteString("id"u8, exchange.Id);
        foreach (var member in reply.EnumerateObject())
        {
            if (member.NameEquals("created"u8))
            {
                writer.WriteNumber("created"u8, exchange.Created);
            }
            else if (member.NameEquals("model"u8))
            {
                writer.WriteString("model"u8, exchange.Request.Model);
            }
            else if (member.NameEquals("choices"u8) && exchange.Chat?.UsesFunctionCall == true)
            {
                FunctionCallForm.WriteChoices(writer, member.Value);
            }
            else if (member.NameEquals("choices"u8) && guarded is not null && member.Value.ValueKind == JsonValueKind.Array)
            {
                guarded.WriteTo(writer, member.Value);
            }
            else if (!IsOurs(member))
            {
                // As the worker wrote it: nothing is decoded to be encoded again.
                if (JsonMarshal.GetRawUtf8PropertyName(member) is var name && name.Contains((byte)'\\'))
                {
                    writer.WritePropertyName(member.Name);
                }
                else
                {
                    writer.WritePropertyName(name);
                }

                if (member.NameEquals("choices"u8))
                {
                    _choicesAt = (int)(writer.BytesCommitted + writer.BytesPending);
                }

                writer.WriteRawValue(JsonMarshal.GetRawUtf8Value(member.Value), skipInputValidation: true);
            }
        }

        writer.WriteString("adapter_generation"u8, exchange.Assigned.Release.Release.Generation);
        writer.WriteString("contract"u8, exchange.Contract);
        writer.WriteEndObject();
        writer.Flush();
    }

    /// <summary>True for members that the client gets from here, or did not ask for.</summary>
    private bool IsOurs(JsonProperty member) =>
        member.NameEquals("id"u8) || member.NameEquals("adapter_generation"u8) || member.NameEquals("contract"u8)
        || (member.NameEquals("usage"u8) && exchange.Request is { Stream: true, IncludeUsage: false });

    private void NoteChoice(JsonElement choice, GuardedChoices? guarded)
    {
        var record = RecordOf(choice);
        if (guarded is not null)
        {
            NoteGuarded(guarded.Find(choice), record);
            return;
        }

        var part = PartOf(choice);
        if (TextOf(part) is { } text)
        {
            NoteText(record, text.GetString()!);
        }

        if (part.TryGetProperty("tool_calls", out var calls) && calls.ValueKind == JsonValueKind.Array)
        {
            exchange.NoteArrival();
            record.AddCalls(calls);
        }

        if (choice.TryGetProperty("finish_reason", out var reason) && reason.ValueKind == JsonValueKind.String)
        {
            record.FinishReason = reason.GetString();
        }
    }

    private ChoiceRecord RecordOf(JsonElement choice) => exchange.Choice(choice.TryGetProperty("index"u8, out var index) ? index.GetInt32() : 0);

    private void NoteText(ChoiceRecord record, string text)
    {
        if (text.Length > 0)
        {
            exchange.NoteArrival();
            record.AddText(text);
        }
    }

    private static JsonElement PartOf(JsonElement choice) =>
        choice.TryGetProperty("delta"u8, out var part) || choice.TryGetProperty("message"u8, out part) ? part : choice;

    private static JsonElement? TextOf(JsonElement part) =>
        (part.TryGetProperty("content"u8, out var text) || part.TryGetProperty("text"u8, out text)) && text.ValueKind == JsonValueKind.String ? text : null;

    private void NoteGuarded(GuardedChoice choice, ChoiceRecord record)
    {
        NoteText(record, choice.Text);

        foreach (var (place, call) in (choice.ToolCalls ?? []).Index())
        {
            exchange.NoteArrival();
            record.AddCall(place, call.Id, call.Name, call.Arguments);
        }

        record.FinishReason = choice.Finish ?? record.FinishReason;
    }

    private static int Count(JsonElement usage, string name) =>
        usage.TryGetProperty(name, out var value) && value.TryGetInt32(out var count) ? count : 0;

    /// <summary>How a reply that came to its end ended.</summary>
    public static EndReason EndOf(string? finishReason) => finishReason == "length" ? EndReason.Length : EndReason.Stop;
}
