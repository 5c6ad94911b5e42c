using Gateway.Api.Wire;
using Gateway.Engine;
using Gateway.Engine.Adapters;
using Gateway.Engine.Sampling;

namespace Gateway.Worker;

/// <summary>Answers <c>POST /v1/chat/completions</c>.</summary>
internal sealed class ChatEndpoint(WorkerRuntime runtime)
{
    /// <summary>
    /// The road of a request: 1. read and check the body; 2. resolve the model and pin its adapter; 3. render the messages to
    /// ids; 4. fit the reply into the context; 5. submit; 6. send the reply, whole or as events.
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
            if (request.Model != runtime.Options.ModelName && (lease = runtime.Adapters.Acquire(request.Model)) is null)
            {
                return new ApiErrorResult(ApiError.ModelNotFound(request.Model));
            }

            if (!TrySubmit(request, lease, out var stream, out var promptTokens, out error))
            {
                lease?.Dispose();
                return new ApiErrorResult(error!);
            }

            return await new ReplySender(runtime, request, lease?.Generation, promptTokens).SendAsync(context, stream!);
        }
    }

    /// <summary>Steps 3 to 5; when it fails the lease stays the caller's.</summary>
    private bool TrySubmit(ChatCompletionRequest request, AdapterLease? lease, out GenerationStream? stream, out int promptTokens, out ApiError? error)
    {
        stream = null;
        promptTokens = 0;
        if (!runtime.Prompts.TryRender(request, out var prompt, out error))
        {
            return false;
        }

        promptTokens = prompt.Length;
        var room = runtime.Engine.MaximumSequenceLength - prompt.Length;
        if (room < (request.MaxTokens ?? 1))
        {
            error = ApiError.ContextLengthExceeded(prompt.Length, request.MaxTokens ?? 1, runtime.Engine.MaximumSequenceLength);
            return false;
        }

        var outcome = runtime.Engine.Submit(
            new GenerationRequest
            {
                Prompt = prompt,
                MaximumTokens = request.MaxTokens ?? room,
                Sampling = Sampling(request),
                EndTokens = request.IgnoreEnd ? [] : runtime.Config.EndTokens,
                Adapter = lease,
            },
            out stream);
        error = outcome == SubmitOutcome.Accepted ? null : ApiError.Overloaded(retryAfterSeconds: 1);
        return error is null;
    }

    /// <summary>OpenAI's defaults; without a seed every request draws differently.</summary>
    private static SamplingSettings Sampling(ChatCompletionRequest request) => new(
        (float)(request.Temperature ?? 1), (float)(request.TopP ?? 1), request.TopK ?? 0, request.Seed ?? Random.Shared.NextInt64());
}
