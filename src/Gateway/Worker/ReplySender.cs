using System.Threading.Channels;
using Gateway.Api.Wire;
using Gateway.Domain.Interactions;
using Gateway.Engine;
using Microsoft.AspNetCore.Http.Features;

namespace Gateway.Worker;

/// <summary>Sends the choices of one request as JSON or as server-sent events.</summary>
internal sealed class ReplySender(WorkerRuntime runtime, ReplyPlan plan, string? generation)
{
    // Pieces that may wait for a slow client; behind them the readers wait, and the engine writes into memory reserved before.
    private const int MaximumPieces = 64;

    private readonly Dictionary<int, ReplyEnd> _ends = [];

    /// <summary>
    /// Reads all choices to their ends. A failure before the first text is an ordinary error response, so that a caller may
    /// retry; later it becomes an error event and the stream ends without <c>[DONE]</c>.
    /// </summary>
    /// <param name="context">The request.</param>
    /// <param name="streams">The replies, those to one prompt side by side.</param>
    public async Task<IResult> SendAsync(HttpContext context, IReadOnlyList<GenerationStream> streams)
    {
        var head = new ReplyHead(
            $"{plan.IdPrefix}-{Guid.NewGuid():N}", runtime.Clock.GetUtcNow().ToUnixTimeSeconds(), plan.Request.Model, runtime.SystemFingerprint(generation), generation);
        if (generation is not null)
        {
            context.Response.Headers["x-adapter-generation"] = generation;
        }

        using var writer = plan.Writer(head);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted);
        var pieces = Channel.CreateBounded<(int Choice, ReplyPiece Piece)>(new BoundedChannelOptions(MaximumPieces) { SingleReader = true });
        var reading = ReadAllAsync(streams, pieces.Writer, stop.Token);
        try
        {
            return plan.Request.Stream
                ? await StreamAsync(context.Response, writer, pieces.Reader, streams.Count, context.RequestAborted)
                : await CompleteAsync(context.Response, writer, pieces.Reader, streams.Count, context.RequestAborted);
        }
        finally
        {
            await stop.CancelAsync();
            await reading.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    /// <summary>Reads every choice on its own; completes the channel when all have ended or one reading failed.</summary>
    private async Task ReadAllAsync(IReadOnlyList<GenerationStream> streams, ChannelWriter<(int, ReplyPiece)> pieces, CancellationToken cancellation)
    {
        Exception? failure = null;
        try
        {
            await Task.WhenAll(streams.Select(async (stream, choice) =>
            {
                var reader = new ReplyReader(stream, plan, plan.Prompts[choice / plan.Drawn], runtime.Tokenizer);
                await foreach (var piece in reader.ReadAsync(cancellation))
                {
                    await pieces.WriteAsync((choice, piece), cancellation);
                }
            }));
        }
        catch (Exception found)
        {
            failure = found;
        }

        pieces.TryComplete(failure);
    }

    private async Task<IResult> CompleteAsync(
        HttpResponse response, ReplyWriter writer, ChannelReader<(int Choice, ReplyPiece Piece)> pieces, int choices, CancellationToken cancellation)
    {
        var whole = Enumerable.Range(0, choices).Select(_ => new ReplyCollector()).ToArray();
        await foreach (var (choice, piece) in pieces.ReadAllAsync(cancellation))
        {
            whole[choice].Add(piece.Delta);
            if (piece.End is { } end)
            {
                if (Failure(end) is { } error)
                {
                    return new ApiErrorResult(error);
                }

                _ends[choice] = end;
            }
        }

        response.ContentType = "application/json";
        writer.WriteWhole(response.BodyWriter, [.. Best().Select(choice => new WholeChoice(whole[choice].Whole(), EndOf(_ends[choice])))], Usage(), Cached());
        await response.BodyWriter.FlushAsync(cancellation);
        return Results.Empty;
    }

    private async Task<IResult> StreamAsync(
        HttpResponse response, ReplyWriter writer, ChannelReader<(int Choice, ReplyPiece Piece)> pieces, int choices, CancellationToken cancellation)
    {
        var hasStarted = false;
        while (await WaitAsync())
        {
            while (pieces.TryRead(out var item))
            {
                var failure = item.Piece.End is { } end ? Failure(end) : null;
                if (failure is not null && !hasStarted)
                {
                    return new ApiErrorResult(failure);
                }

                Start();
                writer.WriteDelta(response.BodyWriter, item.Choice, item.Piece.Delta);
                if (failure is not null)
                {
                    writer.WriteErrorEvent(response.BodyWriter, failure);
                    await response.BodyWriter.FlushAsync(cancellation);
                    return Results.Empty;
                }

                if (item.Piece.End is { } ended)
                {
                    _ends[item.Choice] = ended;
                    writer.WriteFinish(response.BodyWriter, item.Choice, EndOf(ended));
                }
            }

            await response.BodyWriter.FlushAsync(cancellation);
        }

        if (plan.Request.IncludeUsage)
        {
            writer.WriteUsageEvent(response.BodyWriter, Usage(), Cached());
        }

        ReplyWriter.WriteDone(response.BodyWriter);
        await response.BodyWriter.FlushAsync(cancellation);
        return Results.Empty;

        ValueTask<bool> WaitAsync() => KeepAlive.WaitAsync(pieces, runtime.Options.KeepAlive, runtime.Clock, PingAsync, cancellation);

        async ValueTask PingAsync()
        {
            Start();
            ReplyWriter.WritePing(response.BodyWriter);
            await response.BodyWriter.FlushAsync(cancellation);
        }

        void Start()
        {
            if (hasStarted)
            {
                return;
            }

            hasStarted = true;
            response.ContentType = "text/event-stream";
            response.Headers.CacheControl = "no-cache";
            response.HttpContext.Features.Get<IHttpResponseBodyFeature>()?.DisableBuffering();
            for (var choice = 0; choice < choices; choice++)
            {
                writer.WriteStart(response.BodyWriter, choice);
            }
        }
    }

    /// <summary>Of the replies to each prompt the likeliest, or all; equally likely ones in the order of their seeds.</summary>
    private IEnumerable<int> Best()
    {
        for (var prompt = 0; prompt < plan.Prompts.Count; prompt++)
        {
            var drawn = Enumerable.Range(prompt * plan.Drawn, plan.Drawn);
            foreach (var choice in plan.Drawn == plan.Request.N ? drawn : drawn.OrderByDescending(choice => _ends[choice].MeanLogprob).Take(plan.Request.N))
            {
                yield return choice;
            }
        }
    }

    /// <summary>The engine cancels only what its caller gave up, so a cancelled end seen here is a failure too.</summary>
    private static ApiError? Failure(ReplyEnd end) => end.Finish switch
    {
        FinishReason.Failed => ApiError.EngineFailed(end.Error ?? "no reason was given."),
        FinishReason.Cancelled => ApiError.EngineFailed("the request was cancelled."),
        _ => null,
    };

    private ChoiceEnd EndOf(ReplyEnd end)
    {
        var reason = end.Finish != FinishReason.Stop ? "length"
            : !end.HasCalls ? "stop"
            : plan.UsesFunctionCall ? "function_call" : "tool_calls";
        return new ChoiceEnd(reason, end.Stop, end.EndToken is { } token && plan.Request.StopTokenIds.Contains(token) ? token : null);
    }

    private TokenUsage Usage() => new(plan.Prompts.Sum(prompt => prompt.Ids.Length), _ends.Values.Sum(end => end.SampledTokens));

    /// <summary>What the first reply to each prompt found; the others find what that one left.</summary>
    private int Cached() => Enumerable.Range(0, plan.Prompts.Count).Sum(prompt => _ends[prompt * plan.Drawn].CachedPromptTokens);
}
