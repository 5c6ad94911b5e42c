using Gateway.Api.Wire;
using Gateway.Worker.ToolCalls;

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

            return await new InferenceEndpoint(runtime).AnswerAsync(
                context,
                request,
                () => Plan(request),
                plan => Source(request, plan.Tools));
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
            Functions = [.. request.Functions.Select(function => function.Name)],
            UsesFunctionCall = request.UsesFunctionCall,
            IdPrefix = "chatcmpl",
            Writer = head => new ChatCompletionWriter(head, request.IncludeUsage, request.UsesFunctionCall),
        };
        return (plan, null);
    }

    private GrammarSource? Source(ChatCompletionRequest request, ToolDialect? tools) => request switch
    {
        _ when tools is null => request.Format is { } format ? GrammarSource.Of(format) : null,
        { ToolMode: ToolMode.Required, RequiredFunction: { } name } => GrammarSource.Required(tools, [.. request.Functions.Where(function => function.Name == name)], parallel: false),
        { ToolMode: ToolMode.Required } => GrammarSource.Required(tools, request.Functions, request.ParallelCalls),
        { Format: null } when !tools.HoldsTo(request.Functions) => null,
        _ => GrammarSource.Free(tools, request.Functions, request.Format, runtime.Tokenizer),
    };
}
