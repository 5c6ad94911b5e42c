using System.Buffers;
using System.Text.Json;
using Gateway.Domain.Interactions;

namespace Gateway.Api.Wire;

/// <summary>What every part of one reply repeats: identical in each chunk of a stream.</summary>
/// <param name="Id"><c>chatcmpl-…</c>.</param>
/// <param name="Created">Unix seconds.</param>
/// <param name="Model">The model name the client sees.</param>
/// <param name="SystemFingerprint">Short hash of what produced the reply, or null.</param>
/// <param name="AdapterGeneration">The generation that answered; null for the base model.</param>
public sealed record ReplyHead(string Id, long Created, string Model, string? SystemFingerprint, string? AdapterGeneration);

/// <summary>
/// Writes chat completions, whole (<see cref="WriteCompletion"/>) or as server-sent events. Holds the buffers of one reply:
/// not thread-safe; dispose at the end of the reply.
/// </summary>
public sealed class ChatCompletionWriter(ReplyHead head, bool includeUsage) : IDisposable
{
    private readonly ArrayBufferWriter<byte> _event = new(512);
    private readonly Utf8JsonWriter _json = new(Stream.Null, WireJson.WriterOptions);

    /// <summary>The body of a reply that is not streamed.</summary>
    public void WriteCompletion(IBufferWriter<byte> output, string content, string finishReason, TokenUsage usage, int cachedPromptTokens)
    {
        _json.Reset(output);
        WriteHead("chat.completion");
        _json.WriteStartArray("choices");
        _json.WriteStartObject();
        _json.WriteNumber("index", 0);
        _json.WriteStartObject("message");
        _json.WriteString("role", "assistant");
        _json.WriteString("content", content);
        _json.WriteNull("refusal");
        _json.WriteEndObject();
        _json.WriteNull("logprobs");
        _json.WriteString("finish_reason", finishReason);
        _json.WriteEndObject();
        _json.WriteEndArray();
        WriteUsage(usage, cachedPromptTokens);
        WriteTail();
    }

    /// <summary>The first event: the assistant's role with empty content.</summary>
    public void WriteRoleEvent(IBufferWriter<byte> output)
    {
        BeginChoice();
        _json.WriteString("role", "assistant");
        _json.WriteString("content", "");
        EndChoice(output, finishReason: null);
    }

    /// <summary>An event with more text.</summary>
    public void WriteContentEvent(IBufferWriter<byte> output, ReadOnlySpan<char> text)
    {
        BeginChoice();
        _json.WriteString("content", text);
        EndChoice(output, finishReason: null);
    }

    /// <summary>The choice's last event: an empty delta with the reason.</summary>
    public void WriteFinishEvent(IBufferWriter<byte> output, string finishReason)
    {
        BeginChoice();
        EndChoice(output, finishReason);
    }

    /// <summary>The extra event without choices that carries the usage.</summary>
    public void WriteUsageEvent(IBufferWriter<byte> output, TokenUsage usage, int cachedPromptTokens)
    {
        BeginEvent();
        _json.WriteStartArray("choices");
        _json.WriteEndArray();
        WriteUsage(usage, cachedPromptTokens);
        WriteTail();
        EndEvent(output);
    }

    /// <summary>The failure of a stream whose headers are gone; the body then ends without <c>[DONE]</c>.</summary>
    public void WriteErrorEvent(IBufferWriter<byte> output, ApiError error)
    {
        _event.ResetWrittenCount();
        _json.Reset(_event);
        error.WriteTo(_json);
        _json.Flush();
        EndEvent(output);
    }

    /// <summary>The end marker of a stream that is complete.</summary>
    public static void WriteDone(IBufferWriter<byte> output) => output.Write("data: [DONE]\n\n"u8);

    /// <inheritdoc/>
    public void Dispose() => _json.Dispose();

    private void BeginEvent()
    {
        _event.ResetWrittenCount();
        _json.Reset(_event);
        WriteHead("chat.completion.chunk");
    }

    private void BeginChoice()
    {
        BeginEvent();
        _json.WriteStartArray("choices");
        _json.WriteStartObject();
        _json.WriteNumber("index", 0);
        _json.WriteStartObject("delta");
    }

    private void EndChoice(IBufferWriter<byte> output, string? finishReason)
    {
        _json.WriteEndObject();
        _json.WriteNull("logprobs");
        _json.WriteString("finish_reason", finishReason);
        _json.WriteEndObject();
        _json.WriteEndArray();
        if (includeUsage)
        {
            _json.WriteNull("usage");
        }

        WriteTail();
        EndEvent(output);
    }

    private void EndEvent(IBufferWriter<byte> output)
    {
        output.Write("data: "u8);
        output.Write(_event.WrittenSpan);
        output.Write("\n\n"u8);
    }

    private void WriteHead(string kind)
    {
        _json.WriteStartObject();
        _json.WriteString("id", head.Id);
        _json.WriteString("object", kind);
        _json.WriteNumber("created", head.Created);
        _json.WriteString("model", head.Model);
    }

    private void WriteTail()
    {
        _json.WriteString("service_tier", "default");
        _json.WriteString("system_fingerprint", head.SystemFingerprint);
        _json.WriteString("adapter_generation", head.AdapterGeneration);
        _json.WriteEndObject();
        _json.Flush();
    }

    private void WriteUsage(TokenUsage usage, int cachedPromptTokens)
    {
        _json.WriteStartObject("usage");
        _json.WriteNumber("prompt_tokens", usage.PromptTokens);
        _json.WriteNumber("completion_tokens", usage.CompletionTokens);
        _json.WriteNumber("total_tokens", usage.PromptTokens + usage.CompletionTokens);
        _json.WriteStartObject("prompt_tokens_details");
        _json.WriteNumber("cached_tokens", cachedPromptTokens);
        _json.WriteEndObject();
        _json.WriteEndObject();
    }
}
