using System.Text.Json;
using Gateway.Api.Wire;
using Gateway.Domain.Contracts;
using Gateway.Domain.Interactions;
using Gateway.Domain.Routing;
using Gateway.Security;
using Yarp.ReverseProxy.Forwarder;

namespace Gateway.FrontDoor;

/// <summary>The road of every chat request, whatever the topology, and of text completions; read <see cref="HandleAsync"/> first.</summary>
public sealed class ChatRoad(
    RoutingState routing, WorkerPool pool, WorkerAdapters adapters, WorkerClient client, IHttpForwarder forwarder,
    InteractionRecorder recorder, StoredCompletions stored, ResponseIdSigner ids, RoutingOptions routingOptions, TimeProvider clock)
{
    private const long MaximumBodyBytes = 8 << 20;
    private static readonly ContractContent NoContract = new();
    private static readonly ForwarderRequestConfig ForwarderConfig = new()
    {
        ActivityTimeout = TimeSpan.FromMinutes(5),
        Version = new Version(1, 1),
        VersionPolicy = HttpVersionPolicy.RequestVersionExact,
    };

    /// <summary>
    /// Answers <c>POST /v1/chat/completions</c>:
    /// 1 reads and checks the request; one that is malformed or names no deployment is answered and not recorded;
    /// 2 refuses while interactions cannot be recorded;
    /// 3 resolves the deployment to a release and an arm, from one snapshot;
    /// 4 applies the release's contract;
    /// 5 forwards to a worker, and to another one while no byte has reached the client;
    /// 6 the reply is tapped on its way back (<see cref="ChatTransformer"/>), which makes the record at its end;
    /// 7 makes the record of a request that ended in any other way. Every request that passed step 3 has exactly one.
    /// </summary>
    public async Task HandleAsync(HttpContext context)
    {
        // 1 Read and check.
        var body = await JsonBody.ReadAsync(context.Request, MaximumBodyBytes, context.RequestAborted);
        using var document = body.Document;
        if (document is null)
        {
            await AnswerAsync(context, body.Error!);
            return;
        }

        if (!ChatCompletionRequest.TryParse(document.RootElement, out var request, out var invalid))
        {
            await AnswerAsync(context, invalid);
            return;
        }

        // 2 and 3 Release and arm.
        if (await AssignAsync(context, request, ids.Issue()) is not { } exchange)
        {
            return;
        }

        // 4 Contract.
        var variables = document.RootElement.TryGetProperty("variables", out var given) ? given : (JsonElement?)null;
        var contract = exchange.Assigned.Release.Contract?.Content;
        var applied = ContractApplication.Apply(contract ?? NoContract, request.Messages, variables, request.Tools);
        if (RefusalOf(request, contract, applied.Refusal) is { } refusal)
        {
            await EndAsync(exchange, EndReason.Refused, refusal.Status);
            await AnswerAsync(context, refusal);
            return;
        }

        var outbound = ContractedRequest.Of(request, contract, applied);
        await ServeAsync(context, exchange, model => OutboundChatBody.Write(outbound, model, outbound.Messages, contract), RoutingHash.OfPrefix(outbound.Messages));
    }

    /// <summary>Answers <c>POST /v1/completions</c>: the same steps without a contract, which is about messages.</summary>
    public async Task HandleCompletionAsync(HttpContext context)
    {
        var body = await JsonBody.ReadAsync(context.Request, MaximumBodyBytes, context.RequestAborted);
        using var document = body.Document;
        if (document is null)
        {
            await AnswerAsync(context, body.Error!);
            return;
        }

        if (!CompletionRequest.TryParse(document.RootElement, out var request, out var invalid))
        {
            await AnswerAsync(context, invalid);
            return;
        }

        if (await AssignAsync(context, request, ids.Issue(ResponseIdSigner.Completion)) is { } exchange)
        {
            await ServeAsync(context, exchange, model => OutboundCompletionBody.Write(request, model), RoutingHash.OfPrefix(exchange.Messages));
        }
    }

    /// <summary>Steps 2 and 3; null when the request was answered with an error.</summary>
    private async Task<Exchange?> AssignAsync(HttpContext context, InferenceRequest request, string id)
    {
        // 2 What cannot be recorded is not served.
        if (!recorder.Healthy)
        {
            await AnswerAsync(context, ApiError.StoreUnavailable());
            return null;
        }

        // 3 Release and arm.
        var unit = RandomisationUnit.Of(context.Request.Headers[RandomisationUnit.Header], request, id);
        if (routing.Current.Choose(request.Model, unit) is not { } assigned)
        {
            await AnswerAsync(context, ApiError.ModelNotFound(request.Model));
            return null;
        }

        var exchange = new Exchange(id, request, unit, assigned, HasOptedOut(context.Request), clock);
        WriteHeaders(context.Response, exchange);
        return exchange;
    }

    /// <summary>Steps 5 to 7.</summary>
    /// <param name="context">The request.</param>
    /// <param name="exchange">What is known of it.</param>
    /// <param name="body">The body for a worker, under a model name.</param>
    /// <param name="prefix">Hash of the prompt's beginning.</param>
    private async Task ServeAsync(HttpContext context, Exchange exchange, Func<string, byte[]> body, ulong prefix)
    {
        try
        {
            // 5 and 6 A worker.
            if (await ForwardAsync(context, exchange, body, prefix, EndAsync) is { } failure)
            {
                await EndAsync(failure.Status < 500 ? EndReason.Refused : EndReason.WorkerFailed, failure.Status);
                await AnswerAsync(context, failure);
            }
        }
        finally
        {
            // 7 Whatever is left: the client is gone, or the worker broke off where nothing could be said any more.
            await EndAsync(
                context.RequestAborted.IsCancellationRequested ? EndReason.ClientGone : EndReason.WorkerFailed,
                context.RequestAborted.IsCancellationRequested ? StatusCodes.Status499ClientClosedRequest : context.Response.StatusCode);
        }

        ValueTask EndAsync(EndReason reason, int status) => this.EndAsync(exchange, reason, status);
    }

    /// <summary>Makes the record, once. A completion that is to be kept can be found when its end reaches the client.</summary>
    private async ValueTask EndAsync(Exchange exchange, EndReason reason, int status)
    {
        if (exchange.End(reason, status) is not { } interaction)
        {
            return;
        }

        await recorder.RecordAsync(interaction);
        if (exchange.Chat?.Store == true && reason is EndReason.Stop or EndReason.Length)
        {
            await stored.AddAsync(interaction);
        }
    }

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
    private async Task<ApiError?> ForwardAsync(
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

            if (!IsWorthARetry(error))
            {
                return error;
            }

            tried.Add(worker);
            var other = pool.Pick(wish, tried);
            var delay = routingOptions.Retry.Delay(retries++, other is not null, outcome.RetryAfter, routingOptions.RetryFor - exchange.Elapsed, Random.Shared.NextDouble());
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
            var body = write(model);
            context.Request.Body = new MemoryStream(body);
            context.Request.ContentLength = body.Length;
            var attempt = new ChatTransformer(exchange, client, body.Length, end);
            ForwarderError forwarded;
            using (worker.Begin(model))
            {
                forwarded = await forwarder.SendAsync(context, worker.Destination, client.Invoker, ForwarderConfig, attempt, context.RequestAborted);
            }

            if (context.Response.HasStarted || exchange.Ended || context.RequestAborted.IsCancellationRequested)
            {
                worked = exchange.EndedAs is { } ended and not EndReason.ClientGone ? ended != EndReason.WorkerFailed : null;
                return default;
            }

            // Nothing has reached the client: what the forwarder left on the response is taken back.
            context.Response.StatusCode = StatusCodes.Status200OK;
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
            return new(error, lostAdapter, attempt.RetryAfter);
        }
        finally
        {
            worker.End(worked, clock.GetUtcNow());
        }
    }

    // When the request is at fault, every worker would say the same.
    private static bool IsWorthARetry(ApiError error) => error.Status >= 500 || error.Status == StatusCodes.Status429TooManyRequests;

    private readonly record struct AttemptOutcome(ApiError? Error, bool LostAdapter = false, TimeSpan? RetryAfter = null);

    private static ApiError? RefusalOf(ChatCompletionRequest request, ContractContent? contract, ContractRefusal? refusal)
    {
        if (request.ChatTemplate is not null)
        {
            return ApiError.UnsupportedParameter("chat_template", "The deployment owns its chat template: leave the field out.");
        }

        if (OutboundChatBody.StopStrings(request, contract).Count > OutboundChatBody.MaximumStopStrings)
        {
            return ApiError.InvalidValue("stop", $"with the deployment's own stop strings there may be at most {OutboundChatBody.MaximumStopStrings}.");
        }

        if (ContractedRequest.HasOtherFormat(request, contract))
        {
            return ApiError.ContractMismatch("This deployment's contract settles the form of replies: leave the format out.", request.Format!.Field);
        }

        return refusal is null ? null : ApiError.ContractRefused(refusal);
    }

    private static bool HasOptedOut(HttpRequest request) =>
        string.Equals(request.Headers["x-training-opt-out"], "true", StringComparison.OrdinalIgnoreCase);

    private static void WriteHeaders(HttpResponse response, Exchange exchange)
    {
        var release = exchange.Assigned.Release;
        response.Headers["x-rollout-arm"] = exchange.Assigned.Arm switch
        {
            Arm.Control => "control",
            Arm.Candidate => "candidate",
            _ => "stable",
        };
        if (release.Release.Generation is { } generation)
        {
            response.Headers["x-adapter-generation"] = generation;
        }

        if (exchange.Contract is { } contract)
        {
            response.Headers["x-contract-version"] = contract;
        }

        // 'variables' belongs to contracts, so the reader of plain OpenAI requests does not know it.
        var ignored = exchange.Request.IgnoredParameters.Where(name => name != "variables").ToList();
        if (ignored.Count > 0)
        {
            response.Headers[IgnoredParameters.HeaderName] = IgnoredParameters.HeaderValue(ignored);
        }
    }

    private static Task AnswerAsync(HttpContext context, ApiError error) =>
        context.RequestAborted.IsCancellationRequested ? Task.CompletedTask : new ApiErrorResult(error).ExecuteAsync(context);
}
