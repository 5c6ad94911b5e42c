using System.Buffers;
using System.Text.Json;
using Gateway.Domain.Interactions;

namespace Gateway.Api.Wire;

/// <summary>What every part of one reply repeats: identical in each chunk of a stream.</summary>
/// <param name="Id"><c>chatcmpl-…</c> or <c>cmpl-…</c>.</param>
/// <param name="Created">Unix seconds.</param>
/// <param name="Model">The model name the client sees.</param>
/// <param name="SystemFingerprint">Short hash of what produced the reply, or null.</param>
/// <param name="AdapterGeneration">The generation that answered; null for the base model.</param>
public sealed record ReplyHead(string Id, long Created, string Model, string? SystemFingerprint, string? AdapterGeneration);

/// <summary>
/// Writes replies, whole or as server-sent events; the forms of chat and text completions derive from it. Holds the buffers of
/// one reply: not thread-safe; dispose at the end of the reply.
/// </summary>
public abstract class ReplyWriter(ReplyHead head, bool includeUsage) : IDisposable
{
    private readonly ArrayBufferWriter<byte> _event = new(512);

    /// <summary>Where the members of a choice go.</summary>
    private protected Utf8JsonWriter Json { get; } = new(Stream.Null, WireJson.WriterOptions);

    /// <summary>The <c>object</c> of a whole reply.</summary>
    private protected abstract string WholeKind { get; }

    /// <summary>The <c>object</c> of an event.</summary>
    private protected abstract string EventKind { get; }

    /// <summary>The body of a reply that is not streamed.</summary>
    public void WriteWhole(IBufferWriter<byte> output, IReadOnlyList<WholeChoice> choices, TokenUsage usage, int cachedPromptTokens)
    {
        Json.Reset(output);
        WriteHead(WholeKind);
        Json.WriteStartArray("choices");
        for (var index = 0; index < choices.Count; index++)
        {
            Json.WriteStartObject();
            Json.WriteNumber("index", index);
            WriteWholeChoice(choices[index].Whole);
            WriteEnd(choices[index].End);
            Json.WriteEndObject();
        }

        Json.WriteEndArray();
        WriteUsage(usage, cachedPromptTokens);
        WriteTail();
    }

    /// <summary>The first event of a choice, where the form has one.</summary>
    public abstract void WriteStart(IBufferWriter<byte> output, int choice);

    /// <summary>Events with what a choice has gained.</summary>
    public abstract void WriteDelta(IBufferWriter<byte> output, int choice, ReplyDelta delta);

    /// <summary>A choice's last event: nothing new but the reason.</summary>
    public abstract void WriteFinish(IBufferWriter<byte> output, int choice, ChoiceEnd end);

    /// <summary>The extra event without choices that carries the usage.</summary>
    public void WriteUsageEvent(IBufferWriter<byte> output, TokenUsage usage, int cachedPromptTokens)
    {
        BeginEvent();
        Json.WriteStartArray("choices");
        Json.WriteEndArray();
        WriteUsage(usage, cachedPromptTokens);
        WriteTail();
        EndEvent(output);
    }

    /// <summary>The failure of a stream whose headers are gone; the body then ends without <c>[DONE]</c>.</summary>
    public void WriteErrorEvent(IBufferWriter<byte> output, ApiError error)
    {
        _event.ResetWrittenCount();
        Json.Reset(_event);
        error.WriteTo(Json);
        Json.Flush();
        EndEvent(output);
    }

    /// <summary>The end marker of a stream that is complete.</summary>
    public static void WriteDone(IBufferWriter<byte> output) => output.Write("data: [DONE]\n\n"u8);

    /// <summary>A comment that keeps a silent connection open.</summary>
    public static void WritePing(IBufferWriter<byte> output) => output.Write(": ping\n\n"u8);

    /// <inheritdoc/>
    public void Dispose()
    {
        Json.Dispose();
        GC.SuppressFinalize(this);
    }

    /// <summary>The members of a choice of a whole reply between its index and its end.</summary>
    private protected abstract void WriteWholeChoice(ReplyDelta whole);

    /// <summary>Opens an event up to the members behind the choice's index.</summary>
    private protected void BeginChoice(int choice)
    {
        BeginEvent();
        Json.WriteStartArray("choices");
        Json.WriteStartObject();
        Json.WriteNumber("index", choice);
    }

    /// <summary>Closes an event behind the choice's own members.</summary>
    private protected void EndChoice(IBufferWriter<byte> output, ChoiceEnd? end)
    {
        WriteEnd(end);
        Json.WriteEndObject();
        Json.WriteEndArray();
        if (includeUsage)
        {
            Json.WriteNull("usage");
        }

        WriteTail();
        EndEvent(output);
    }

    private void WriteEnd(ChoiceEnd? end)
    {
        Json.WriteString("finish_reason", end?.Reason);
        if (end?.Stop is { } stop)
        {
            Json.WriteString("stop_reason", stop);
        }
        else if (end?.StopToken is { } token)
        {
            Json.WriteNumber("stop_reason", token);
        }
    }

    private void BeginEvent()
    {
        _event.ResetWrittenCount();
        Json.Reset(_event);
        WriteHead(EventKind);
    }

    private void EndEvent(IBufferWriter<byte> output)
    {
        output.Write("data: "u8);
        output.Write(_event.WrittenSpan);
        output.Write("\n\n"u8);
    }

    private void WriteHead(string kind)
    {
        Json.WriteStartObject();
        Json.WriteString("id", head.Id);
        Json.WriteString("object", kind);
        Json.WriteNumber("created", head.Created);
        Json.WriteString("model", head.Model);
    }

    private void WriteTail()
    {
        Json.WriteString("service_tier", "default");
        Json.WriteString("system_fingerprint", head.SystemFingerprint);
        Json.WriteString("adapter_generation", head.AdapterGeneration);
        Json.WriteEndObject();
        Json.Flush();
    }

    private void WriteUsage(TokenUsage usage, int cachedPromptTokens)
    {
        Json.WriteStartObject("usage");
        Json.WriteNumber("prompt_tokens", usage.PromptTokens);
        Json.WriteNumber("completion_tokens", usage.CompletionTokens);
        Json.WriteNumber("total_tokens", usage.PromptTokens + usage.CompletionTokens);
        Json.WriteStartObject("prompt_tokens_details");
        Json.WriteNumber("cached_tokens", cachedPromptTokens);
        Json.WriteEndObject();
        Json.WriteEndObject();
    }
}
