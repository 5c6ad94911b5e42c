using Gateway.Api.Wire;
using Gateway.Domain.Interactions;
using Gateway.Hosting;
using Yarp.ReverseProxy.Forwarder;

namespace Gateway.FrontDoor;

/// <summary>The part of the road from a request with a release to a worker's reply. Thread-safe.</summary>
public sealed class WorkerRoad(
    WorkerPool pool, WorkerAdapters adapters, WorkerClient client, IHttpForwarder forwarder, RoutingOptions options, RequestLimits limits, TimeProvider clock)
{
    // The deadlines of a reply are the road's own; this one only ends what they cannot see.
    private readonly ForwarderRequestConfig _forwarderConfig = new()
    {
        ActivityTimeout = limits.Total + TimeSpan.FromSeconds(5),
        Version = new Version(1, 1),
        VersionPolicy = HttpVersionPolicy.RequestVersionExact,
    };

    /// <summary>
    /// Asks workers until one answers, at most as often as the retry policy says. A worker that cannot be reached is marked
    /// down; one that has lost the adapter gets it again, once. Returns the error to answer with, or null when a reply went out
    /// or the client is gone.
    /// </summary>
    /// <param name="context">The request.</param>
    /// <param name="exchange">What is known of it.</param>
    /// <param name="write">Writes the body for a worker, under a model name.</param>
    /// <param name="prefix">Hash of the prompt's beginning.</param>
    /// <param name="end">Makes the record.</param>
    public async Task<ApiError?> ForwardAsync(
        HttpContext context, Exchange exchange, Func<string, byte[]> write, ulong prefix, Func<EndReason, int, ValueTask> end)
    {
        var assigned = exchange.Assigned;
        var wish = WorkerWish.For(assigned, prefix);
        var tried = new List<WorkerState>();
        var reloaded = false;
        var retries = 0;
        if (pool.Pick(wish, tried) is not { } worker)
        {
            return ApiError.NoHealthyWorker();
        }

        while (true)
        {
            var outcome = await AttemptAsync(context, exchange, write, worker, end);
            if (outcome.Error is not { } error)
            {
                return null;
            }

            if (outcome.LostAdapter && !reloaded && worker.TryEnter(clock.GetUtcNow()))
            {
                reloaded = true;
                worker.LoadedModels.TryRemove(assigned.WorkerModel!, out _);
                continue;
            }

            if (outcome.IsFinal || !IsWorthARetry(error))
            {
                return error;
            }

            tried.Add(worker);
            var other = pool.Pick(wish, tried);
            var delay = options.Retry.Delay(retries++, other is not null, outcome.RetryAfter, options.RetryFor - exchange.Elapsed, Random.Shared.NextDouble());
            if (delay is not { } wait)
            {
                other?.Abandoned();
                return error;
            }

            if (other is null)
            {
                await Task.Delay(wait, clock, context.RequestAborted).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                tried.Clear();
                other = context.RequestAborted.IsCancellationRequested ? null : pool.Pick(wish, tried);
            }

            if (other is null)
            {
                return error;
            }

            worker = other;
        }
    }

    /// <summary>
    /// One attempt on one worker, whose breaker learns how it went. The error is null when a reply went out or the client is
    /// gone; else nothing has reached the client.
    /// </summary>
    private async Task<AttemptOutcome> AttemptAsync(
        HttpContext context, Exchange exchange, Func<string, byte[]> write, WorkerState worker, Func<EndReason, int, ValueTask> end)
    {
        bool? worked = null;
        try
        {
            var adapterModel = exchange.Assigned.WorkerModel;
            if (adapterModel is not null && !worker.LoadedModels.ContainsKey(adapterModel)
                && await adapters.LoadOnAsync(worker, adapterModel, exchange.Assigned.Release.Release.Generation!, context.RequestAborted) is not null)
            {
                return new(ApiError.AdapterLoading(exchange.Request.Model));
            }

            exchange.Worker = worker;
            var model = adapterModel ?? worker.BaseModel!;
            using var deadline = new ReplyDeadline(limits, exchange, clock, context.RequestAborted);
            var attempt = new ChatTransformer(exchange, client, write(model), deadline, end);
            exchange.AskingWorker();
            ForwarderError forwarded;
            using (worker.Begin(model))
            {
                forwarded = await forwarder.SendAsync(context, worker.Destination, client.Invoker, _forwarderConfig, attempt, deadline.Token);
            }

            if (context.Response.HasStarted || exchange.Ended || context.RequestAborted.IsCancellationRequested)
            {
                worked = exchange.EndedAs is { } ended and not EndReason.ClientGone ? ended != EndReason.WorkerFailed : null;
                return default;
            }

            // Nothing has reached the client: what the forwarder left on the response is taken back.
            context.Response.StatusCode = StatusCodes.Status200OK;
            if (deadline.Passed is { } passed)
            {
                // Slow is not down, and asking another worker would begin the wait anew.
                return new(ApiError.UpstreamTimeout(passed), IsFinal: true);
            }

            if (attempt.Failure is null && forwarded is not (ForwarderError.None or ForwarderError.RequestTimedOut))
            {
                worker.Healthy = false;
            }

            var lostAdapter = attempt.WorkerStatus == StatusCodes.Status404NotFound && adapterModel is not null;
            var error = attempt switch
            {
                _ when lostAdapter => ApiError.AdapterLoading(exchange.Request.Model),
                { WorkerStatus: StatusCodes.Status404NotFound } => ApiError.UpstreamError("The worker no longer serves this model. Try again."),
                { Failure: { } failure } => failure,
                _ when forwarded is ForwarderError.RequestTimedOut => ApiError.UpstreamTimeout(),
                _ => ApiError.UpstreamError("The worker could not be reached. Try again."),
            };

            // A worker that is overloaded, or whose adapter is on its way, works.
            worked = error.Status < 500 || error.Status == StatusCodes.Status503ServiceUnavailable;
            return new(error, lostAdapter, attempt.RetryAfter, attempt.IsFinal);
        }
        finally
        {
            worker.End(worked, clock.GetUtcNow());
        }
    }

    // When the request is at fault, every worker would say the same.
    private static bool IsWorthARetry(ApiError error) => error.Status >= 500 || error.Status == StatusCodes.Status429TooManyRequests;

    private readonly record struct AttemptOutcome(ApiError? Error, bool LostAdapter = false, TimeSpan? RetryAfter = null, bool IsFinal = false);
}
