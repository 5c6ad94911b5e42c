using System.Buffers;
using System.Text.Json;
using Gateway.Api.Wire;
using Gateway.Guards;

namespace Gateway.FrontDoor;

/// <summary>
/// The form in which a worker's chat reply reaches the client: it notes on the exchange what the record needs and writes the
/// client's bytes in place of the worker's. Belongs to one exchange; used by one thread at a time.
/// </summary>
internal interface IReplyForm
{
    /// <summary>An error of the road or of a worker, with the names of this form's own fields.</summary>
    ApiError Translate(ApiError error);

    /// <summary>Writes a whole reply.</summary>
    /// <exception cref="InvalidOperationException">A member has another type than the dialect says.</exception>
    /// <param name="reply">The worker's object.</param>
    /// <param name="guarded">What guards let through of its texts, or null where none look at replies.</param>
    /// <param name="output">Gets the client's body.</param>
    /// <returns>Why the reply may not leave, or null. What a caller is to find again is durable when the task completes.</returns>
    ValueTask<ApiError?> WriteWholeAsync(JsonElement reply, GuardedChoices? guarded, IBufferWriter<byte> output);

    /// <summary>
    /// Writes what becomes of a chunk that no guard looks at and that is like one before it; false, with nothing written,
    /// when the chunk has to be parsed.
    /// </summary>
    bool TryRepeatChunk(ReadOnlySpan<byte> chunk, PooledBuffer output);

    /// <summary>Writes what becomes of one chunk of a stream; that may be nothing.</summary>
    /// <exception cref="InvalidOperationException">A member has another type than the dialect says.</exception>
    void WriteChunk(JsonElement chunk, GuardedChoices? guarded, PooledBuffer output);

    /// <summary>Prepares the end of a whole stream; what a caller is to find again is durable when the task completes.</summary>
    /// <returns>Why the stream may not end well, or null.</returns>
    ValueTask<ApiError?> CompleteAsync();

    /// <summary>Writes the end of a stream that was completed.</summary>
    void WriteEnd(IBufferWriter<byte> output);

    /// <summary>Writes the end of a stream that breaks off.</summary>
    ValueTask WriteFailureAsync(ApiError error, IBufferWriter<byte> output);

    /// <summary>Notes that the client left before the end.</summary>
    ValueTask AbandonAsync();
}
