using System.Text.Json;
using Gateway.Api.Wire;
using Gateway.Domain.Interactions;
using Gateway.Telemetry;
using Yarp.ReverseProxy.Forwarder;

namespace Gateway.FrontDoor;

/// <summary>
/// One attempt to have a worker answer: what YARP sends to it and what it lets through to the client. Nothing of the
/// client's headers reaches the worker. A reply that cannot be used leaves the client's response untouched and sets
/// <see cref="Failure"/>, so that the road can try another worker.
/// </summary>
internal sealed class ChatTransformer(
    Exchange exchange, WorkerClient client, byte[] body, ReplyDeadline deadline, Func<EndReason, int, ValueTask> end) : HttpTransformer
{
    private const int MaximumReplyBytes = 16 << 20;
    private const int ReadAhead = 4096;

    /// <summary>Why the worker's reply was not passed on, or null.</summary>
    public ApiError? Failure { get; private set; }

    /// <summary>True when another worker would not do better than <see cref="Failure"/>.</summary>
    public bool IsFinal { get; private set; }

    /// <summary>How long the worker asked to be left alone, or null.</summary>
    public TimeSpan? RetryAfter { get; private set; }

    /// <summary>The worker's own status when <see cref="Failure"/> is set; 0 when it gave none.</summary>
    public int WorkerStatus { get; private set; }

    /// <inheritdoc/>
    public override ValueTask TransformRequestAsync(
        HttpContext httpContext, HttpRequestMessage proxyRequest, string destinationPrefix, CancellationToken cancellationToken)
    {
        proxyRequest.RequestUri = new Uri(new Uri(destinationPrefix), exchange.Path);
        proxyRequest.Options.Set(WholeBodyHandler.Body, body);
        client.Authorize(proxyRequest);
        TraceContext.Propagate(httpContext.Request, proxyRequest);
        proxyRequest.Headers.TryAddWithoutValidation("x-request-id", httpContext.TraceIdentifier);
        return ValueTask.CompletedTask;
    }

    /// <inheritdoc/>
    public override async ValueTask<bool> TransformResponseAsync(
        HttpContext httpContext, HttpResponseMessage? proxyResponse, CancellationToken cancellationToken)
    {
        if (proxyResponse is null)
        {
            return false;
        }

        WorkerStatus = (int)proxyResponse.StatusCode;
        if (!proxyResponse.IsSuccessStatusCode)
        {
            var said = await proxyResponse.Content.ReadAsByteArrayAsync(cancellationToken);
            RetryAfter = proxyResponse.Headers.RetryAfter?.Delta;
            Failure = WorkerErrors.Read(WorkerStatus, said, RetryAfter);
            return false;
        }

        var isEventStream = proxyResponse.Content.Headers.ContentType?.MediaType == "text/event-stream";
        if (isEventStream != exchange.Request.Stream)
        {
            Failure = ApiError.UpstreamError("The worker answered in another form than it was asked for. Check its version.");
            return false;
        }

        return isEventStream
            ? await PassStreamAsync(httpContext.Response, proxyResponse, cancellationToken)
            : await PassCompletionAsync(httpContext.Response, proxyResponse, cancellationToken);
    }

    private async Task<bool> PassStreamAsync(HttpResponse response, HttpResponseMessage workerResponse, CancellationToken cancellationToken)
    {
        var tap = new EventStreamTap(await workerResponse.Content.ReadAsStreamAsync(cancellationToken), exchange, deadline, end);
        if (!await tap.PrimeAsync(cancellationToken))
        {
            await tap.DisposeAsync();
            Failure = ApiError.UpstreamError("The worker broke off the reply. Try again.");
            return false;
        }

        // From here on the tap watches the time: it can still tell the client.
        deadline.Disarm();
        response.StatusCode = StatusCodes.Status200OK;
        response.ContentType = "text/event-stream";
        response.Headers.CacheControl = "no-cache";
        workerResponse.Content = new StreamContent(tap);
        return true;
    }

    private async Task<bool> PassCompletionAsync(HttpResponse response, HttpResponseMessage workerResponse, CancellationToken cancellationToken)
    {
        using var input = new PooledBuffer();
        using var output = new PooledBuffer();
        try
        {
            await ReadAsync(workerResponse.Content, input, cancellationToken);
            using var reply = JsonDocument.Parse(input.Written);
            var guarded = exchange.Guards is { LooksAtReplies: true } guards ? await guards.CheckAsync(reply.RootElement, cancellationToken) : null;
            if (await exchange.Form.WriteWholeAsync(reply.RootElement, guarded, output) is { } refusal)
            {
                (Failure, IsFinal) = (refusal, true);
                return false;
            }
        }
        catch (Exception failure) when (failure is JsonException or InvalidOperationException or HttpRequestException or IOException)
        {
            Failure = ApiError.UpstreamError("The worker broke off the reply. Try again.");
            return false;
        }

        response.StatusCode = StatusCodes.Status200OK;
        response.ContentType = "application/json";
        response.ContentLength = output.Count;
        await end(ReplyRewriter.EndOf(exchange.FinishReason), StatusCodes.Status200OK);
        await response.BodyWriter.WriteAsync(output.Written, cancellationToken);

        // The client has its reply; nothing is left for YARP to copy.
        return false;
    }

    private static async Task ReadAsync(HttpContent content, PooledBuffer input, CancellationToken cancellationToken)
    {
        await using var stream = await content.ReadAsStreamAsync(cancellationToken);
        int read;
        while ((read = await stream.ReadAsync(input.GetMemory(ReadAhead), cancellationToken)) > 0)
        {
            input.Advance(read);
            if (input.Count > MaximumReplyBytes)
            {
                throw new IOException($"The worker's reply is longer than {MaximumReplyBytes} bytes.");
            }
        }
    }
}
