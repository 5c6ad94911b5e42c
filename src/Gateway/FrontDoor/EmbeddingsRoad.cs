using System.Text.Json;
using Gateway.Api;
using Gateway.Api.Wire;
using Gateway.Domain.Interactions;
using Gateway.Domain.Limits;
using Gateway.Domain.Routing;
using Gateway.Guards;
using Gateway.Hosting;
using Gateway.Limits;
using Gateway.Security;

namespace Gateway.FrontDoor;

/// <summary>
/// The road of <c>POST /v1/embeddings</c>: resolve the deployment, reserve what the key's limits allow, have guards look at the
/// inputs and a worker with the deployment's adapter answer, restore the public name. There is no reply to learn from, so nothing is recorded.
/// </summary>
public sealed class EmbeddingsRoad(RoutingState routing, WorkerPool pool, WorkerAdapters adapters, WorkerClient client, RequestLimiter limiter, RequestLimits limits,
    GuardChains guardChains, PromptPreview preview, BaseModel baseModel, ResponseIdSigner ids, TimeProvider clock)
{
    /// <summary>Answers the request.</summary>
    public async Task<IResult> HandleAsync(HttpContext context)
    {
        using var body = await RequestBody<EmbeddingRequest>.ReadAsync(context, limits.MaximumBodyBytes, EmbeddingRequest.TryParse);
        if (body.Request is not { } request)
        {
            return new ApiErrorResult(body.Error!);
        }

        var caller = context.Caller();
        if (!caller.MayUse(request.Model))
        {
            return new ApiErrorResult(ApiError.ModelNotAllowed(request.Model));
        }

        var conversation = context.Request.Headers[RandomisationUnit.Header].ToString();
        var unit = conversation.Length > 0 ? new RandomisationUnit(conversation, "header") : new RandomisationUnit(request.User ?? ids.Issue(), "request");
        if (routing.Current.Choose(request.Model, unit) is not { } assigned)
        {
            return new ApiErrorResult(ApiError.ModelNotFound(request.Model));
        }

        if (request.IgnoredParameters.Count > 0)
        {
            context.Response.Headers[IgnoredParameters.HeaderName] = IgnoredParameters.HeaderValue(request.IgnoredParameters);
        }

        if (caller.Limits is not { } keyLimits)
        {
            return await GuardAsync(request, assigned, null, context.RequestAborted);
        }

        var inputs = request.Inputs.Select(input => new ChatMessage { Role = "user", Content = input.Text ?? $"[{string.Join(',', input.Ids!)}]" }).ToList();
        var estimate = DemandEstimate.Of(inputs, contract: null, maximumTokens: null, baseModel.Config.ContextLength) with { Output = 0 };
        var admission = await limiter.AdmitAsync(context, caller.KeyId!, keyLimits, estimate);
        if (admission.Error is { } overLimit)
        {
            return new ApiErrorResult(overLimit);
        }

        try
        {
            return await GuardAsync(request, assigned, admission.Ticket, context.RequestAborted);
        }
        finally
        {
            // What was answered is settled already.
            admission.Ticket!.Settle(default, refundRequest: true);
        }
    }

    /// <summary>Asks with what guards let through of the inputs, or says that they let none through.</summary>
    private async Task<IResult> GuardAsync(EmbeddingRequest request, Assigned assigned, LimitTicket? ticket, CancellationToken cancellationToken)
    {
        if (guardChains.For(assigned.Release.Contract)?.Begin() is { } guards)
        {
            var (inputs, blocked) = await GuardedPrompts.CheckAsync(guards, request.Inputs, preview, cancellationToken);
            if (blocked)
            {
                ticket?.Settle(default, refundRequest: false);
                return new ApiErrorResult(ApiError.ContentFiltered("input"));
            }

            request = request with { Inputs = inputs };
        }

        return await AskAsync(request, assigned, ticket, cancellationToken);
    }

    /// <summary>Tries workers until one answers, or says that the request is at fault.</summary>
    private async Task<IResult> AskAsync(EmbeddingRequest request, Assigned assigned, LimitTicket? ticket, CancellationToken cancellationToken)
    {
        var wish = WorkerWish.For(assigned, RoutingHash.Of(request.Inputs[0].Text ?? string.Join(',', request.Inputs[0].Ids!)));
        var tried = new List<WorkerState>();
        var error = ApiError.NoHealthyWorker();
        while (pool.Pick(wish, tried) is { } worker)
        {
            tried.Add(worker);
            var (reply, failure) = await AttemptAsync(request, assigned, worker, cancellationToken);
            if (reply is { } whole)
            {
                ticket?.Settle(new TokenDemand(TokensOf(whole), 0));
                return Answer(whole, request.Model, assigned);
            }

            error = failure!;
            if (error.Status < 500 && error.Status != StatusCodes.Status429TooManyRequests)
            {
                break;
            }
        }

        return new ApiErrorResult(error);
    }

    /// <summary>One attempt on one worker, whose breaker learns how it went.</summary>
    private async Task<(JsonElement? Reply, ApiError? Error)> AttemptAsync(
        EmbeddingRequest request, Assigned assigned, WorkerState worker, CancellationToken cancellationToken)
    {
        bool? worked = null;
        try
        {
            if (assigned.WorkerModel is { } adapter && !worker.LoadedModels.ContainsKey(adapter)
                && await adapters.LoadOnAsync(worker, adapter, assigned.Release.Release.Generation!, cancellationToken) is not null)
            {
                return (null, ApiError.AdapterLoading(request.Model));
            }

            var model = assigned.WorkerModel ?? worker.BaseModel!;
            JsonElement? reply = null;
            using var begun = worker.Begin(model);
            var answer = await client.PostAsync(worker, "/v1/embeddings", Body(request, model), found => reply = found.Clone(), cancellationToken);
            worked = answer.Status is < 500 or StatusCodes.Status503ServiceUnavailable;
            return (reply, reply is null ? answer.Error ?? ApiError.UpstreamError("The worker's answer was not understood. Check its version.") : null);
        }
        finally
        {
            worker.End(worked, clock.GetUtcNow());
        }
    }

    private static int TokensOf(JsonElement reply) =>
        reply.TryGetProperty("usage", out var usage) && usage.TryGetProperty("prompt_tokens", out var tokens) && tokens.TryGetInt32(out var count) ? count : 0;

    private static byte[] Body(EmbeddingRequest request, string model)
    {
        using var body = new PooledBuffer();
        using (var writer = new Utf8JsonWriter(body, WireJson.WriterOptions))
        {
            writer.WriteStartObject();
            writer.WriteString("model", model);
            OutboundCompletionBody.WritePrompts(writer, request.Inputs, "input");
            writer.WriteString("encoding_format", request.Base64 ? "base64" : "float");
            if (request.Dimensions is { } dimensions)
            {
                writer.WriteNumber("dimensions", dimensions);
            }

            writer.WriteEndObject();
        }

        return body.Written.ToArray();
    }

    private static JsonReply Answer(JsonElement reply, string model, Assigned assigned) => new(json =>
    {
        foreach (var member in reply.EnumerateObject())
        {
            switch (member.Name)
            {
                case "model":
                    json.WriteString("model", model);
                    break;
                case "adapter_generation":
                    break;
                default:
                    member.WriteTo(json);
                    break;
            }
        }

        json.WriteString("adapter_generation", assigned.Release.Release.Generation);
    });
}
