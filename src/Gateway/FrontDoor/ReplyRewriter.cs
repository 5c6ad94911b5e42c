using System.Buffers;
using System.Runtime.InteropServices;
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

    /// <summary>
    /// Writes a completion or a chunk of a stream. Returns false, with nothing written, for the usage chunk of a client that
    /// did not ask for it.
    /// </summary>
    /// <exception cref="InvalidOperationException">A member has another type than the dialect says.</exception>
    /// <param name="reply">The worker's object.</param>
    /// <param name="output">Gets the client's.</param>
    /// <param name="guarded">What guards let through of its texts, or null where none look at replies.</param>
    /// <param name="prefix">What stands before the object, where one is written.</param>
    public bool TryRewrite(JsonElement reply, IBufferWriter<byte> output, GuardedChoices? guarded, ReadOnlySpan<byte> prefix = default)
    {
        if (guarded is { IsEmpty: true })
        {
            return false;
        }

        var choices = Note(reply, guarded);
        if (exchange.Request is { Stream: true, IncludeUsage: false } && IsUsage(reply, choices))
        {
            return false;
        }

        output.Write(prefix);
        _writer.Reset(output);
        Write(reply, _writer, guarded);
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

    private void Write(JsonElement reply, Utf8JsonWriter writer, GuardedChoices? guarded)
    {
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
        var record = exchange.Choice(choice.TryGetProperty("index", out var index) ? index.GetInt32() : 0);
        if (guarded is not null)
        {
            NoteGuarded(guarded.Find(choice), record);
            return;
        }

        var part = choice.TryGetProperty("delta", out var delta) || choice.TryGetProperty("message", out delta) ? delta : choice;
        if ((part.TryGetProperty("content", out var text) || part.TryGetProperty("text", out text))
            && text.ValueKind == JsonValueKind.String && text.GetString() is { Length: > 0 } content)
        {
            exchange.NoteArrival();
            record.AddText(content);
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

    private void NoteGuarded(GuardedChoice choice, ChoiceRecord record)
    {
        if (choice.Text.Length > 0)
        {
            exchange.NoteArrival();
            record.AddText(choice.Text);
        }

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
