using System.Buffers;
using System.Text.Json;
using Gateway.Api.Wire;
using Gateway.Guards;

namespace Gateway.FrontDoor;

/// <summary>Chat and text completions: the worker's own objects, rewritten; a stream of data lines that ends with <c>[DONE]</c>.</summary>
internal sealed class ChatReplyForm(Exchange exchange) : IReplyForm
{
    private readonly ReplyRewriter _rewriter = new(exchange);

    /// <inheritdoc/>
    public ApiError Translate(ApiError error) => error;

    /// <inheritdoc/>
    public ValueTask<ApiError?> WriteWholeAsync(JsonElement reply, GuardedChoices? guarded, IBufferWriter<byte> output)
    {
        _rewriter.WriteWhole(reply, guarded, output);
        return default;
    }

    /// <inheritdoc/>
    public bool TryRepeatChunk(ReadOnlySpan<byte> chunk, PooledBuffer output) => _rewriter.TryRepeatEvent(chunk, output);

    /// <inheritdoc/>
    public void WriteChunk(JsonElement chunk, GuardedChoices? guarded, PooledBuffer output) => _rewriter.WriteEvent(chunk, guarded, output);

    /// <inheritdoc/>
    public ValueTask<ApiError?> CompleteAsync() => default;

    /// <inheritdoc/>
    public void WriteEnd(IBufferWriter<byte> output) => ReplyWriter.WriteDone(output);

    /// <inheritdoc/>
    public async ValueTask WriteFailureAsync(ApiError error, IBufferWriter<byte> output)
    {
        output.Write("data: "u8);
        await using (var writer = new Utf8JsonWriter(output, WireJson.WriterOptions))
        {
            error.WriteTo(writer);
        }

        output.Write("\n\n"u8);
    }

    /// <inheritdoc/>
    public ValueTask AbandonAsync() => default;
}
