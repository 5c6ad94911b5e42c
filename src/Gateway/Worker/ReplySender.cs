using System.Buffers;
using System.Text;
using Gateway.Api.Wire;
using Gateway.Domain.Interactions;
using Gateway.Engine;
using Gateway.Model.Text;
using Microsoft.AspNetCore.Http.Features;

namespace Gateway.Worker;

/// <summary>Sends one reply as JSON or as server-sent events.</summary>
internal sealed class ReplySender(WorkerRuntime runtime, ChatCompletionRequest request, string? generation, int promptTokens)
{
    /// <summary>
    /// Reads the reply to its end. A failure before the first text is an ordinary error response, so that a caller may retry;
    /// later it becomes an error event and the stream ends without <c>[DONE]</c>.
    /// </summary>
    public async Task<IResult> SendAsync(HttpContext context, GenerationStream stream)
    {
        var cancellation = context.RequestAborted;
        var head = new ReplyHead(
            $"chatcmpl-{Guid.NewGuid():N}", runtime.Clock.GetUtcNow().ToUnixTimeSeconds(), request.Model, runtime.SystemFingerprint(generation), generation);
        if (generation is not null)
        {
            context.Response.Headers["x-adapter-generation"] = generation;
        }

        using var writer = new ChatCompletionWriter(head, request.IncludeUsage);
        var reader = new ReplyReader(stream, new StreamingDecoder(runtime.Tokenizer, skipSpecialTokens: true), request.Stop);
        await using var pieces = reader.ReadAsync(cancellation).GetAsyncEnumerator(cancellation);
        return request.Stream
            ? await StreamAsync(context.Response, writer, pieces, cancellation)
            : await CompleteAsync(context.Response, writer, pieces, cancellation);
    }

    private async Task<IResult> CompleteAsync(HttpResponse response, ChatCompletionWriter writer, IAsyncEnumerator<ReplyPiece> pieces, CancellationToken cancellation)
    {
        var text = new StringBuilder();
        while (await pieces.MoveNextAsync())
        {
            var piece = pieces.Current;
            text.Append(piece.Text);
            if (Failure(piece) is { } error)
            {
                return new ApiErrorResult(error);
            }

            if (piece.Finish is { } finish)
            {
                response.ContentType = "application/json";
                writer.WriteCompletion(response.BodyWriter, text.ToString(), Name(finish), Usage(piece), piece.CachedPromptTokens);
                await response.BodyWriter.FlushAsync(cancellation);
            }
        }

        return Results.Empty;
    }

    private async Task<IResult> StreamAsync(HttpResponse response, ChatCompletionWriter writer, IAsyncEnumerator<ReplyPiece> pieces, CancellationToken cancellation)
    {
        var started = false;
        while (await pieces.MoveNextAsync())
        {
            var piece = pieces.Current;
            var failure = Failure(piece);
            if (!started)
            {
                if (failure is not null)
                {
                    return new ApiErrorResult(failure);
                }

                started = true;
                response.ContentType = "text/event-stream";
                response.Headers.CacheControl = "no-cache";
                response.HttpContext.Features.Get<IHttpResponseBodyFeature>()?.DisableBuffering();
                writer.WriteRoleEvent(response.BodyWriter);
            }

            WriteEvents(response.BodyWriter, writer, piece, failure);
            await response.BodyWriter.FlushAsync(cancellation);
        }

        return Results.Empty;
    }

    private void WriteEvents(IBufferWriter<byte> output, ChatCompletionWriter writer, ReplyPiece piece, ApiError? failure)
    {
        if (piece.Text.Length > 0)
        {
            writer.WriteContentEvent(output, piece.Text);
        }

        if (failure is not null)
        {
            writer.WriteErrorEvent(output, failure);
        }
        else if (piece.Finish is { } finish)
        {
            writer.WriteFinishEvent(output, Name(finish));
            if (request.IncludeUsage)
            {
                writer.WriteUsageEvent(output, Usage(piece), piece.CachedPromptTokens);
            }

            ChatCompletionWriter.WriteDone(output);
        }
    }

    /// <summary>The engine cancels only what its caller gave up, so a cancelled end seen here is a failure too.</summary>
    private static ApiError? Failure(ReplyPiece piece) => piece.Finish switch
    {
        FinishReason.Failed => ApiError.EngineFailed(piece.Error ?? "no reason was given."),
        FinishReason.Cancelled => ApiError.EngineFailed("the request was cancelled."),
        _ => null,
    };

    private static string Name(FinishReason finish) => finish == FinishReason.Stop ? "stop" : "length";

    private TokenUsage Usage(ReplyPiece piece) => new(promptTokens, piece.SampledTokens);
}
