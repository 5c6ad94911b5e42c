using Gateway.Api.Wire;

namespace Gateway.Worker;

/// <summary>Answers <c>POST /v1/completions</c>: text is continued as it stands, special tokens in it recognised.</summary>
internal sealed class CompletionEndpoint(WorkerRuntime runtime)
{
    /// <summary>Reads and checks the body, makes ids of the prompts, and goes the common road (<see cref="InferenceEndpoint"/>).</summary>
    public async Task<IResult> AnswerAsync(HttpContext context)
    {
        var body = await JsonBody.ReadAsync(context.Request, runtime.Options.MaximumBodyBytes, context.RequestAborted);
        using (body.Document)
        {
            if (body.Document is null)
            {
                return new ApiErrorResult(body.Error!);
            }

            if (!CompletionRequest.TryParse(body.Document.RootElement, out var request, out var error))
            {
                return new ApiErrorResult(error);
            }

            return await new InferenceEndpoint(runtime).AnswerAsync(
                context,
                request,
                () => Plan(request),
                _ => request.Format is { } format ? GrammarSource.Of(format) : null);
        }
    }

    private (ReplyPlan? Plan, ApiError? Error) Plan(CompletionRequest request)
    {
        var (prompts, maximumTokens) = (new List<PlannedPrompt>(), new List<int>());
        foreach (var prompt in request.Prompts)
        {
            if (!TextIds.TryRead(runtime, prompt, "prompt", out var ids, out var error)
                || (error = InferenceEndpoint.Fit(runtime, ids.Length, request.MaxTokens, "prompt", out var most)) is not null)
            {
                return (null, error);
            }

            var text = !request.Echo ? "" : prompt.Text ?? runtime.Tokenizer.Decode(ids, request.SkipsSpecialTokens);
            prompts.Add(new PlannedPrompt(ids, text));
            maximumTokens.Add(most);
        }

        var plan = new ReplyPlan
        {
            Request = request,
            Prompts = prompts,
            Drawn = request.BestOf,
            MaximumTokens = maximumTokens,
            Echoes = request.Echo,
            IdPrefix = "cmpl",
            Writer = head => new CompletionWriter(head, request.IncludeUsage),
        };
        return (plan, null);
    }
}
