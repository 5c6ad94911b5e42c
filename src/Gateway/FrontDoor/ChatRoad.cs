using System.Text.Json;
using Gateway.Api;
using Gateway.Api.Wire;
using Gateway.Domain.Contracts;
using Gateway.Domain.Interactions;
using Gateway.Domain.Limits;
using Gateway.Domain.Routing;
using Gateway.Guards;
using Gateway.Hosting;
using Gateway.Limits;
using Gateway.Security;
using Gateway.Telemetry;

namespace Gateway.FrontDoor;

/// <summary>The road of every chat request, whatever the topology, and of text completions; read <see cref="HandleAsync"/> first.</summary>
public sealed class ChatRoad(
    RoutingState routing, WorkerRoad workers, InteractionRecorder recorder, StoredCompletions stored, RequestLimiter limiter, RequestLimits limits,
    GuardChains guardChains, PromptPreview preview, BaseModel baseModel, ReplyTelemetry telemetry, ResponseIdSigner ids, TimeProvider clock)
{
    private static readonly ContractContent NoContract = new();

    /// <summary>
    /// Answers <c>POST /v1/chat/completions</c>:
    /// 1 reads and checks the request; one that is malformed or names no deployment is answered and not recorded;
    /// 2 refuses a key that may not use the model, and everybody while interactions cannot be recorded;
    /// 3 resolves the deployment to a release and an arm, from one snapshot, reserves what the key's limits allow, and has guards
    ///   look at the messages;
    /// 4 applies the release's contract;
    /// 5 forwards to a worker, and to another one while no byte has reached the client (<see cref="WorkerRoad"/>);
    /// 6 the reply is tapped on its way back (<see cref="ChatTransformer"/>), which makes the record at its end;
    /// 7 makes the record of a request that ended in any other way. Every request that passed step 3 has exactly one.
    /// </summary>
    public async Task HandleAsync(HttpContext context)
    {
        // 1 Read and check.
        using var body = await RequestBody<ChatCompletionRequest>.ReadAsync(context, limits.MaximumBodyBytes, ChatCompletionRequest.TryParse);
        if (body.Request is not { } request)
        {
            await AnswerAsync(context, body.Error!);
            return;
        }

        // 2 and 3 Who, release and arm.
        if (await AdmitAsync(context, request, ids.Issue()) is { } exchange)
        {
            // 4 to 7.
            await ServeChatAsync(context, exchange, body.Document!.RootElement);
        }
    }

    /// <summary>Steps 4 to 7 of an admitted chat.</summary>
    /// <param name="context">The request.</param>
    /// <param name="exchange">What is known of it.</param>
    /// <param name="body">The request's body, for its <c>variables</c>.</param>
    /// <param name="fit">Last changes to the request under its contract before a worker gets it, or null for none.</param>
    internal async Task ServeChatAsync(
        HttpContext context, Exchange exchange, JsonElement body, Func<ChatCompletionRequest, ContractContent?, ChatCompletionRequest>? fit = null)
    {
        // 4 Contract.
        using var span = exchange.Span = GenAi.Start(exchange);
        var request = exchange.Chat!;
        var variables = body.TryGetProperty("variables", out var given) ? given : (JsonElement?)null;
        var contract = exchange.Assigned.Release.Contract?.Content;
        var applied = ContractApplication.Apply(contract ?? NoContract, request.Messages, variables, request.Tools);
        if ((exchange.Blocked ? ApiError.ContentFiltered("messages") : RefusalOf(request, contract, applied.Refusal)) is { } refusal)
        {
            await EndAsync(exchange, EndReason.Refused, refusal.Status);
            await AnswerAsync(context, exchange.Form.Translate(refusal));
            return;
        }

        var outbound = ContractedRequest.Of(request, contract, applied) with { CacheSalt = exchange.CacheSalt };
        outbound = fit?.Invoke(outbound, contract) ?? outbound;
        await ServeAsync(context, exchange, model => OutboundChatBody.Write(outbound, model, outbound.Messages, contract), RoutingHash.OfPrefix(outbound.Messages));
    }

    /// <summary>Answers <c>POST /v1/completions</c>: the same steps without a contract, which is about messages.</summary>
    public async Task HandleCompletionAsync(HttpContext context)
    {
        using var body = await RequestBody<CompletionRequest>.ReadAsync(context, limits.MaximumBodyBytes, CompletionRequest.TryParse);
        if (body.Request is not { } request)
        {
            await AnswerAsync(context, body.Error!);
            return;
        }

        if (await AdmitAsync(context, request, ids.Issue(ResponseIdSigner.Completion)) is not { } exchange)
        {
            return;
        }

        using var span = exchange.Span = GenAi.Start(exchange);
        if (exchange.Blocked)
        {
            await EndAsync(exchange, EndReason.Refused, StatusCodes.Status400BadRequest);
            await AnswerAsync(context, ApiError.ContentFiltered("prompt"));
            return;
        }

        var outbound = (CompletionRequest)exchange.Request with { CacheSalt = exchange.CacheSalt };
        await ServeAsync(context, exchange, model => OutboundCompletionBody.Write(outbound, model), RoutingHash.OfPrefix(exchange.Messages));
    }

    /// <summary>Steps 2 and 3; null when the request was answered with an error.</summary>
    /// <param name="context">The request.</param>
    /// <param name="request">Its checked body.</param>
    /// <param name="id">The id of the reply.</param>
    /// <param name="inherited">The unit of the conversation that it continues, or null where it begins one.</param>
    internal async Task<Exchange?> AdmitAsync(HttpContext context, InferenceRequest request, string id, RandomisationUnit? inherited = null)
    {
        // 2 Who may ask; and what cannot be recorded is not served.
        var caller = context.Caller();
        if (!caller.MayUse(request.Model))
        {
            await AnswerAsync(context, ApiError.ModelNotAllowed(request.Model));
            return null;
        }

        if (!recorder.Healthy)
        {
            await AnswerAsync(context, ApiError.StoreUnavailable());
            return null;
        }

        // 3 Release and arm, limits, guards.
        var conversation = context.Request.Headers[RandomisationUnit.Header].ToString();
        var unit = conversation.Length == 0 && inherited is { } given ? given : RandomisationUnit.Of(conversation, request, id);
        if (routing.Current.Choose(request.Model, unit) is not { } assigned)
        {
            await AnswerAsync(context, ApiError.ModelNotFound(request.Model));
            return null;
        }

        var contract = request is ChatCompletionRequest ? assigned.Release.Contract : null;
        var messages = Exchange.MessagesOf(request);
        Admission admission = default;
        if (caller.Limits is { } keyLimits)
        {
            var estimate = DemandEstimate.Of(messages, contract?.Content, request.MaxTokens, baseModel.Config.ContextLength);
            admission = await limiter.AdmitAsync(context, caller.KeyId!, keyLimits, new TokenDemand(estimate.Input, estimate.Output * request.N));
            if (admission.Error is { } overLimit)
            {
                await AnswerAsync(context, overLimit);
                return null;
            }
        }

        var guards = guardChains.For(contract)?.Begin();
        var blocked = false;
        if (guards is not null)
        {
            (request, blocked) = await GuardedAsync(guards, request, context.RequestAborted);
        }

        var exchange = new Exchange(id, request, unit, assigned, HasOptedOut(context.Request), clock)
        {
            Caller = caller,
            Guards = guards,
            Blocked = blocked,
            Ticket = admission.Ticket,
        };
        WriteHeaders(context.Response, exchange);
        return exchange;
    }

    /// <summary>The request with what guards let through, and whether they let it through at all.</summary>
    private async Task<(InferenceRequest Request, bool Blocked)> GuardedAsync(GuardSession guards, InferenceRequest request, CancellationToken cancellationToken)
    {
        switch (request)
        {
            case ChatCompletionRequest chat:
                var (messages, messagesBlocked) = await guards.CheckMessagesAsync(chat.Messages, cancellationToken);
                return (chat with { Messages = messages }, messagesBlocked);
            case CompletionRequest completion:
                var (prompts, promptsBlocked) = await GuardedPrompts.CheckAsync(guards, completion.Prompts, preview, cancellationToken);
                return (completion with { Prompts = prompts }, promptsBlocked);
            default:
                return (request, false);
        }
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
            if (await workers.ForwardAsync(context, exchange, body, prefix, EndAsync) is { } failure)
            {
                // A reply that its worker has ended but that cannot be kept is no failure of the worker.
                await EndAsync(
                    failure.Code == "store_unavailable" && exchange.FinishReason is { } finish ? ReplyRewriter.EndOf(finish)
                    : failure.Status < 500 ? EndReason.Refused : EndReason.WorkerFailed,
                    failure.Status);
                await AnswerAsync(context, exchange.Form.Translate(failure));
            }
        }
        finally
        {
            // 7 Whatever is left: the client is gone, or the worker broke off where nothing could be said any more.
            if (!exchange.Ended)
            {
                await exchange.Form.AbandonAsync();
            }

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

        exchange.Ticket?.Settle(interaction);
        telemetry.Ended(interaction, exchange.Span);
        await recorder.RecordAsync(interaction);
        if (exchange.Chat?.Store == true && reason is EndReason.Stop or EndReason.Length)
        {
            await stored.AddAsync(interaction);
        }
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
