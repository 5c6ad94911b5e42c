using System.Diagnostics.CodeAnalysis;
using Gateway.Api.Wire;
using Gateway.Engine;
using Gateway.Engine.Adapters;
using Gateway.Engine.Grammars;
using Gateway.Engine.Sampling;

namespace Gateway.Worker;

/// <summary>What chat and text completions have in common on their way through a worker.</summary>
internal sealed class InferenceEndpoint(WorkerRuntime runtime)
{
    /// <summary>
    /// From a checked request to the reply: 1. resolve the model and pin its adapter; 2. plan: prompts as ids, tokens that fit;
    /// 3. compile what replies must look like; 4. submit all replies together; 5. send them, whole or as events.
    /// </summary>
    /// <param name="context">The request.</param>
    /// <param name="request">Its body.</param>
    /// <param name="plan">Step 2: the plan, or the error to answer with.</param>
    /// <param name="source">What replies must look like, or null.</param>
    public async Task<IResult> AnswerAsync(
        HttpContext context, InferenceRequest request, Func<(ReplyPlan? Plan, ApiError? Error)> plan, Func<ReplyPlan, GrammarSource?> source)
    {
        if (request.IgnoredParameters.Count > 0)
        {
            context.Response.Headers[IgnoredParameters.HeaderName] = IgnoredParameters.HeaderValue(request.IgnoredParameters);
        }

        if (CheckIds(request) is { } unknownId)
        {
            return new ApiErrorResult(unknownId);
        }

        var (lease, refusal) = await LeaseAsync(runtime, request.Model, context.RequestAborted);
        using (lease)
        {
            if (refusal is not null)
            {
                return new ApiErrorResult(refusal);
            }

            var (planned, unfit) = plan();
            if (planned is null)
            {
                return new ApiErrorResult(unfit!);
            }

            IReadOnlyList<GenerationRequest> requests;
            try
            {
                var grammar = source(planned) is { } form ? await runtime.Grammars.GrammarAsync(form, context.RequestAborted) : null;
                requests = Requests(planned, grammar, lease);
            }
            catch (GrammarException failure)
            {
                return new ApiErrorResult(Refusal(request, failure));
            }

            if (!TrySubmit(requests, out var streams))
            {
                return new ApiErrorResult(ApiError.Overloaded(retryAfterSeconds: 1));
            }

            // From here on each sequence holds the adapter by itself, and no longer than it runs.
            var generation = lease?.Generation;
            lease?.Dispose();
            return await new ReplySender(runtime, planned, generation).SendAsync(context, streams);
        }
    }

    /// <summary>Pins the adapter that a model name stands for; no lease and no error for the base model.</summary>
    public static async ValueTask<(AdapterLease? Lease, ApiError? Error)> LeaseAsync(WorkerRuntime runtime, string model, CancellationToken cancellation)
    {
        if (model == runtime.Options.ModelName)
        {
            return default;
        }

        var acquired = await runtime.Adapters.AcquireAsync(model, cancellation);
        return (acquired.Lease, acquired.Lease is not null ? null : acquired.Outcome switch
        {
            AdapterAcquireOutcome.Lost => ApiError.AdapterLost(model, acquired.Reason!),
            AdapterAcquireOutcome.NoRoom => ApiError.AdapterLimitExceeded(),
            _ => ApiError.ModelNotFound(model),
        });
    }

    /// <summary>Fits prompt and reply into the context; null is the room there is.</summary>
    public static ApiError? Fit(WorkerRuntime runtime, int promptTokens, int? asked, string parameter, out int maximumTokens)
    {
        var length = runtime.Engine.MaximumSequenceLength;
        maximumTokens = asked ?? length - promptTokens;
        return length - promptTokens < (asked ?? 1) ? ApiError.ContextLengthExceeded(promptTokens, asked ?? 1, length, parameter) : null;
    }

    /// <summary>Each sequence takes over a lease of its own; those of a request that is not accepted are given back.</summary>
    private bool TrySubmit(IReadOnlyList<GenerationRequest> requests, [NotNullWhen(true)] out IReadOnlyList<GenerationStream>? streams)
    {
        if (runtime.Engine.Submit(requests, out streams) == SubmitOutcome.Accepted)
        {
            return streams is not null;
        }

        foreach (var request in requests)
        {
            request.Adapter?.Dispose();
        }

        return false;
    }

    private List<GenerationRequest> Requests(ReplyPlan plan, Grammar? grammar, AdapterLease? lease)
    {
        var request = plan.Request;
        IReadOnlyList<int> endTokens = request.IgnoreEnd ? request.StopTokenIds : [.. runtime.Config.EndTokens.Union(request.StopTokenIds)];
        var sampling = Sampling(request);
        var requests = new List<GenerationRequest>();
        foreach (var (prompt, most) in plan.Prompts.Zip(plan.MaximumTokens))
        {
            // The same memory for all replies to a prompt tells the engine that they share it.
            var ids = prompt.Ids.AsMemory();
            for (var choice = 0; choice < plan.Drawn; choice++)
            {
                var maximumTokens = Math.Max(1, most);
                requests.Add(new GenerationRequest
                {
                    Prompt = ids,
                    MaximumTokens = maximumTokens,
                    MinimumTokens = request.MinTokens,
                    Sampling = sampling with { Seed = unchecked(sampling.Seed + choice) },
                    EndTokens = endTokens,
                    Grammar = grammar is null ? null : runtime.Grammars.Matcher(grammar, endTokens, maximumTokens),
                    Logprobs = request.Logprobs ?? (plan.Drawn > request.N ? 0 : null),
                    ScoresPrompt = plan.Echoes && request.Logprobs is not null,
                    Adapter = lease?.Share(),
                    CacheSalt = request.CacheSalt,
                });
            }
        }

        return requests;
    }

    /// <summary>OpenAI's defaults; without a seed every request draws differently.</summary>
    private static SamplingSettings Sampling(InferenceRequest request) =>
        new((float)(request.Temperature ?? 1), (float)(request.TopP ?? 1), request.TopK ?? 0, request.Seed ?? Random.Shared.NextInt64())
        {
            MinP = (float)(request.MinP ?? 0),
            FrequencyPenalty = (float)(request.FrequencyPenalty ?? 0),
            PresencePenalty = (float)(request.PresencePenalty ?? 0),
            RepetitionPenalty = (float)(request.RepetitionPenalty ?? 1),
            LogitBias = [.. request.LogitBias.Select(bias => new TokenBias(bias.Key, (float)bias.Value))],
        };

    /// <summary>Ids that the model does not have.</summary>
    private ApiError? CheckIds(InferenceRequest request)
    {
        var size = runtime.Config.VocabularySize;
        return request.LogitBias.Any(bias => bias.Key >= size) ? ApiError.InvalidValue("logit_bias", $"the model has no token ids from {size} on.")
            : request.StopTokenIds.Any(id => id >= size) ? ApiError.InvalidValue("stop_token_ids", $"the model has no token ids from {size} on.")
            : null;
    }

    /// <summary>A form and the schemas of functions may stand in one grammar; the pointer tells which of them it is about.</summary>
    private static ApiError Refusal(InferenceRequest request, GrammarException refusal) =>
        request.Format is not { } format || (request as ChatCompletionRequest)?.Functions.Any(function => refusal.Pointer.StartsWith(function.Pointer, StringComparison.Ordinal)) == true
            ? ApiError.UnsupportedSchema("tools", refusal.Pointer, refusal.Problem)
        : format.Kind is ReplyFormatKind.JsonSchema or ReplyFormatKind.JsonObject ? ApiError.UnsupportedSchema(format.Field, refusal.Pointer, refusal.Problem)
        : ApiError.InvalidValue(format.Field + refusal.Pointer.Replace('/', '.'), refusal.Problem + ".");
}
