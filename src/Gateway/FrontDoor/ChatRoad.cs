using System.Text.Json;
using Gateway.Api;
using Gateway.Api.Wire;
using Gateway.Domain.Contracts;
using Gateway.Domain.Interactions;
using Gateway.Guards;
using Gateway.Hosting;
using Gateway.Limits;
using Gateway.Security;
using Gateway.Telemetry;
using Yarp.ReverseProxy.Forwarder;

namespace Gateway.FrontDoor;

/// <summary>The road of every chat request, whatever the topology; read <see cref="HandleAsync"/> first.</summary>
public sealed class ChatRoad(
    RoutingState routing, WorkerPool pool, WorkerAdapters adapters, WorkerClient client, IHttpForwarder forwarder,
    InteractionRecorder recorder, RequestLimiter limiter, RequestLimits limits, GuardChains guardChains, BaseModel baseModel, ReplyTelemetry telemetry, ResponseIdSigner ids,
    TimeProvider clock)
{
    // The deadlines of a reply are the road's own; this one only ends what they cannot see.
    private readonly ForwarderRequestConfig _forwarderConfig = new()
    {
        ActivityTimeout = limits.Total + TimeSpan.FromSeconds(5),
        Version = new Version(1, 1),
        VersionPolicy = HttpVersionPolicy.RequestVersionExact,
    };

    /// <summary>
    /// Answers <c>POST /v1/chat/completions</c>:
    /// 1 reads and checks the request; one that is malformed or names no deployment is answered and not recorded;
    /// 2 refuses while interactions cannot be recorded;
    /// 3 resolves the deployment to a release and an arm, from one snapshot, and asks the limits of the caller's key: what
    ///   they refuse is not recorded either; guards look at the messages, and what they take out is not recorded;
    /// 4 applies the release's contract;
    /// 5 forwards to a worker, and to another one while no byte has reached the client;
    /// 6 the reply is tapped on its way back (<see cref="ChatTransformer"/>), which makes the record at its end;
    /// 7 makes the record of a request that ended in any other way. Every request that passed step 3 has exactly one.
    /// </summary>
    public async Task HandleAsync(HttpContext context)
    {
        // 1 Read and check.
        var body = await JsonBody.ReadAsync(context.Request, limits.MaximumBodyBytes, context.RequestAborted);
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

        var caller = context.Caller();
        if (!caller.MayUse(request.Model))
        {
            await AnswerAsync(context, ApiError.ModelNotAllowed(request.Model));
            return;
        }

        // 2 What cannot be recorded is not served.
        if (!recorder.Healthy)
        {
            await AnswerAsync(context, ApiError.StoreUnavailable());
            return;
        }

        // 3 Release and arm.
        var id = ids.Issue();
        var unit = RandomisationUnit.Of(context.Request.Headers[RandomisationUnit.Header], request, id);
        if (routing.Current.Choose(request.Model, unit) is not { } assigned)
        {
            await AnswerAsync(context, ApiError.ModelNotFound(request.Model));
            return;
        }

        var contract = assigned.Release.Contract?.Content;
        LimitTicket? ticket = null;
        if (caller.Limits is { } keyLimits)
        {
            var estimate = DemandEstimate.Of(request.Messages, contract, request.MaxTokens, baseModel.Config.ContextLength);
            var admission = await limiter.AdmitAsync(context, caller.KeyId!, keyLimits, estimate);
            if (admission.Error is { } overLimit)
            {
                await AnswerAsync(context, overLimit);
                return;
            }

            ticket = admission.Ticket;
        }

        var guards = guardChains.For(assigned.Release.Contract)?.Begin();
        var blocked = false;
        if (guards is not null)
        {
            (var guarded, blocked) = await guards.CheckMessagesAsync(request.Messages, context.RequestAborted);
            request = request with { Messages = guarded };
        }

        var exchange = new Exchange(id, request, unit, assigned, HasOptedOut(context.Request), clock) { Caller = caller, Guards = guards };
        using var span = GenAi.Start(exchange);
        WriteHeaders(context.Response, exchange);

        // 4 Contract.
        var variables = document.RootElement.TryGetProperty("variables", out var given) ? given : (JsonElement?)null;
        var applied = ContractApplication.Apply(contract ?? new ContractContent(), request.Messages, variables);
        if ((blocked ? ApiError.ContentFiltered() : RefusalOf(request, contract, applied.Refusal)) is { } refusal)
        {
            await EndAsync(EndReason.Refused, refusal.Status);
            await AnswerAsync(context, refusal);
            return;
        }

        try
        {
            // 5 and 6 A worker.
            if (await ForwardAsync(context, exchange, applied.Messages!, EndAsync) is { } failure)
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

        ValueTask EndAsync(EndReason reason, int status)
        {
            if (exchange.End(reason, status) is not { } interaction)
            {
                return ValueTask.CompletedTask;
            }

            ticket?.Settle(interaction);
            telemetry.Ended(interaction, span);
            return recorder.RecordAsync(interaction);
        }
    }

    /// <summary>
    /// Tries workers until one answers. A worker that cannot be reached is marked down; one that has lost the adapter gets it
    /// again, once. Returns the error to answer with, or null when a reply went out or the client is gone.
    /// </summary>
    private async Task<ApiError?> ForwardAsync(
        HttpContext context, Exchange exchange, IReadOnlyList<ChatMessage> messages, Func<EndReason, int, ValueTask> end)
    {
        var adapterModel = exchange.Assigned.WorkerModel;
        var tried = new List<WorkerState>();
        var reloaded = false;
        var error = ApiError.NoHealthyWorker();
        while (pool.Pick(adapterModel, tried) is { } worker)
        {
            if (adapterModel is not null
                && await adapters.LoadOnAsync(worker, adapterModel, exchange.Assigned.Release.Release.Generation!, context.RequestAborted) is not null)
            {
                tried.Add(worker);
                error = ApiError.AdapterLoading(exchange.Request.Model);
                continue;
            }

            exchange.Worker = worker;
            var model = adapterModel ?? worker.BaseModel!;
            var body = OutboundChatBody.Write(exchange.Request, model, messages, exchange.Assigned.Release.Contract?.Content, exchange.Caller.CacheSalt);
            context.Request.Body = new MemoryStream(body);
            context.Request.ContentLength = body.Length;
            using var deadline = new ReplyDeadline(limits, exchange, clock, context.RequestAborted);
            var attempt = new ChatTransformer(exchange, client, body.Length, deadline, end);
            exchange.AskingWorker();
            ForwarderError forwarded;
            using (worker.Begin(model))
            {
                forwarded = await forwarder.SendAsync(context, worker.Address.AbsoluteUri, client.Invoker, _forwarderConfig, attempt, deadline.Token);
            }

            if (context.Response.HasStarted || exchange.Ended || context.RequestAborted.IsCancellationRequested)
            {
                return null;
            }

            // Nothing has reached the client: what the forwarder left on the response is taken back.
            context.Response.StatusCode = StatusCodes.Status200OK;
            if (deadline.Passed is { } passed)
            {
                // Slow is not down, and asking another worker would begin the wait anew.
                return ApiError.UpstreamTimeout(passed);
            }

            if (attempt.Failure is null && forwarded != ForwarderError.None)
            {
                worker.Healthy = false;
            }

            if (attempt.WorkerStatus == StatusCodes.Status404NotFound && adapterModel is not null && !reloaded)
            {
                reloaded = true;
                worker.LoadedModels.TryRemove(adapterModel, out _);
                continue;
            }

            tried.Add(worker);
            error = attempt switch
            {
                { WorkerStatus: StatusCodes.Status404NotFound } when adapterModel is not null => ApiError.AdapterLoading(exchange.Request.Model),
                { WorkerStatus: StatusCodes.Status404NotFound } => ApiError.UpstreamError("The worker no longer serves this model. Try again."),
                { Failure: { } failure } => failure,
                _ when forwarded is ForwarderError.RequestTimedOut => ApiError.UpstreamTimeout(),
                _ => ApiError.UpstreamError("The worker could not be reached. Try again."),
            };

            if (error.Status < 500 && error.Status != StatusCodes.Status429TooManyRequests)
            {
                // The request is at fault: every worker would say the same.
                return error;
            }
        }

        return error;
    }

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

        if (release.ContractName is { } contract)
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
