using Gateway.Api.Wire;

namespace Gateway.Worker;

/// <summary>Answers <c>POST /v1/chat/completions</c>.</summary>
internal sealed class ChatEndpoint(WorkerRuntime runtime)
{
    /// <summary>Reads and checks the body, renders the messages to ids, and goes the common road (<see cref="InferenceEndpoint"/>).</summary>
    public async Task<IResult> AnswerAsync(HttpContext context)
    {
        var body = await JsonBody.ReadAsync(context.Request, runtime.Options.MaximumBodyBytes, context.RequestAborted);
        using (body.Document)
        {
            if (body.Document is null)
            {
                return new ApiErrorResult(body.Error!);
            }

            if (!ChatCompletionRequest.TryParse(body.Document.RootElement, out var request, out var error))
            {
                return new ApiErrorResult(error);
            }

            // A front door forwards both: a contract may have taken one of them away.
            if (request is { Format: { } form, ToolMode: ToolMode.Auto })
            {
                return new ApiErrorResult(ApiError.InvalidValue(
                    form.Field, "a reply with an enforced form cannot be a tool call: set 'tool_choice' to 'none', or require a call and leave the form out."));
            }

            return await new InferenceEndpoint(runtime).AnswerAsync(
                context,
                request,
                () => Plan(request),
                plan => plan.CallIsRequired ? GrammarSource.Of(plan.Tools!, Callable(request), request.ParallelCalls)
                    : request.Format is { } format ? GrammarSource.Of(format) : null);
        }
    }

    private (ReplyPlan? Plan, ApiError? Error) Plan(ChatCompletionRequest request)
    {
        if (!runtime.Prompts.TryRender(request, out var prompt, out var dialect, out var error))
        {
            return (null, error);
        }

        if ((error = InferenceEndpoint.Fit(runtime, prompt.Ids.Length, request.MaxTokens, "messages", out var maximumTokens)) is not null)
        {
            return (null, error);
        }

        var plan = new ReplyPlan
        {
            Request = request,
            Prompts = [new PlannedPrompt(prompt.Ids)],
            Drawn = request.N,
            MaximumTokens = [maximumTokens],
            Tools = request.ToolMode == ToolMode.None ? null : dialect,
            CallIsRequired = request.ToolMode == ToolMode.Required,
            ParallelCalls = request.ParallelCalls,
            UsesFunctionCall = request.UsesFunctionCall,
            IdPrefix = "chatcmpl",
            Writer = head => new ChatCompletionWriter(head, request.IncludeUsage, request.UsesFunctionCall),
        };
        return (plan, null);
    }

    private static IReadOnlyList<ToolFunction> Callable(ChatCompletionRequest request) => request.RequiredFunction is { } name
        ? [.. request.Functions.Where(function => function.Name == name)]
        : request.Functions;
}
