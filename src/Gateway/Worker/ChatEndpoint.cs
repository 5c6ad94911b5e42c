using System.Diagnostics.CodeAnalysis;
using Gateway.Api.Wire;
using Gateway.Engine;
using Gateway.Engine.Adapters;
using Gateway.Engine.Grammars;
using Gateway.Engine.Sampling;

namespace Gateway.Worker;

/// <summary>Answers <c>POST /v1/chat/completions</c>.</summary>
internal sealed class ChatEndpoint(WorkerRuntime runtime)
{
    /// <summary>
    /// The road of a request: 1. read and check the body; 2. resolve the model and pin its adapter; 3. render the messages to
    /// ids; 4. fit the reply into the context; 5. compile what it must look like; 6. submit; 7. send the reply, whole or as
    /// events.
    /// </summary>
    public async Task<IResult> AnswerAsync(HttpContext context)
    {
        var body = await JsonBody.ReadAsync(context.Request, runtime.Options.MaximumBodyBytes, context.RequestAborted);
        if (body.Document is null)
        {
            return new ApiErrorResult(body.Error!);
        }

        using (body.Document)
        {
            if (!ChatCompletionRequest.TryParse(body.Document.RootElement, out var request, out var error))
            {
                return new ApiErrorResult(error);
            }

            if (request.IgnoredParameters.Count > 0)
            {
                context.Response.Headers[IgnoredParameters.HeaderName] = IgnoredParameters.HeaderValue(request.IgnoredParameters);
            }

            AdapterLease? lease = null;
            if (request.Model != runtime.Options.ModelName)
            {
                var acquired = await runtime.Adapters.AcquireAsync(request.Model, context.RequestAborted);
                if ((lease = acquired.Lease) is null)
                {
                    return new ApiErrorResult(acquired.Outcome switch
                    {
                        AdapterAcquireOutcome.Lost => ApiError.AdapterLost(request.Model, acquired.Reason!),
                        AdapterAcquireOutcome.NoRoom => ApiError.AdapterLimitExceeded(),
                        _ => ApiError.ModelNotFound(request.Model),
                    });
                }
            }

            GenerationStream? stream = null;
            try
            {
                if (!TryFit(request, out var prompt, out var maximumTokens, out error)
                    || !TrySubmit(request, lease, prompt, maximumTokens, await GrammarAsync(request, maximumTokens, context.RequestAborted), out stream, out error))
                {
                    return new ApiErrorResult(error!);
                }

                return await new ReplySender(runtime, request, lease?.Generation, prompt.Length).SendAsync(context, stream);
            }
            catch (GrammarException refusal)
            {
                return new ApiErrorResult(Refusal(request.Format!, refusal));
            }
            finally
            {
                if (stream is null)
                {
                    lease?.Dispose();
                }
            }
        }
    }

    /// <summary>Steps 3 and 4.</summary>
    private bool TryFit(ChatCompletionRequest request, [NotNullWhen(true)] out int[]? prompt, out int maximumTokens, [NotNullWhen(false)] out ApiError? error)
    {
        maximumTokens = 0;
        if (!runtime.Prompts.TryRender(request, out prompt, out error))
        {
            return false;
        }

        var room = runtime.Engine.MaximumSequenceLength - prompt.Length;
        maximumTokens = request.MaxTokens ?? room;
        error = room < (request.MaxTokens ?? 1)
            ? ApiError.ContextLengthExceeded(prompt.Length, request.MaxTokens ?? 1, runtime.Engine.MaximumSequenceLength)
            : null;
        return error is null;
    }

    /// <summary>Step 5.</summary>
    private async ValueTask<GrammarMatcher?> GrammarAsync(ChatCompletionRequest request, int maximumTokens, CancellationToken cancellation) =>
        request.Format is { } format ? await runtime.Grammars.MatcherAsync(format, EndTokens(request), maximumTokens, cancellation) : null;

    /// <summary>Step 6; when it fails the lease stays the caller's.</summary>
    private bool TrySubmit(
        ChatCompletionRequest request, AdapterLease? lease, int[] prompt, int maximumTokens, GrammarMatcher? grammar,
        [NotNullWhen(true)] out GenerationStream? stream, [NotNullWhen(false)] out ApiError? error)
    {
        var outcome = runtime.Engine.Submit(
            new GenerationRequest
            {
                Prompt = prompt,
                MaximumTokens = maximumTokens,
                Sampling = Sampling(request),
                EndTokens = EndTokens(request),
                Grammar = grammar,
                Adapter = lease,
                CacheSalt = request.CacheSalt,
            },
            out stream);
        error = outcome == SubmitOutcome.Accepted ? null : ApiError.Overloaded(retryAfterSeconds: 1);
        return error is null;
    }

    private IReadOnlyList<int> EndTokens(ChatCompletionRequest request) => request.IgnoreEnd ? [] : runtime.Config.EndTokens;

    private static ApiError Refusal(ReplyFormat format, GrammarException refusal) => format.Kind is ReplyFormatKind.JsonSchema or ReplyFormatKind.JsonObject
        ? ApiError.UnsupportedSchema(format.Field, refusal.Pointer, refusal.Problem)
        : ApiError.InvalidValue(format.Field + refusal.Pointer.Replace('/', '.'), refusal.Problem + ".");

    /// <summary>OpenAI's defaults; without a seed every request draws differently.</summary>
    private static SamplingSettings Sampling(ChatCompletionRequest request) => new(
        (float)(request.Temperature ?? 1), (float)(request.TopP ?? 1), request.TopK ?? 0, request.Seed ?? Random.Shared.NextInt64());
}
