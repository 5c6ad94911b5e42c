using System.Text.Json;
using Gateway.Api;
using Gateway.Api.Wire;
using Gateway.Domain.Contracts;
using Gateway.Domain.Interactions;
using Gateway.FrontDoor;
using Gateway.Hosting;
using Gateway.Records;
using Gateway.Security;

namespace Gateway.Responses;

/// <summary>
/// The road of a response: it becomes a chat request and takes <see cref="ChatRoad"/>'s steps; read <see cref="HandleAsync"/>
/// first. Thread-safe.
/// </summary>
internal sealed partial class ResponsesRoad(
    ChatRoad road, ResponseChain chain, StoredResponses stored, RoutingState routing, PromptPreview preview, BaseModel model, RequestLimits limits,
    RecordOptions records, ResponseIdSigner ids, TimeProvider clock, ILogger<ResponsesRoad> logger)
{
    private static readonly ContractContent NoContract = new();

    /// <summary>
    /// Answers <c>POST /v1/responses</c>:
    /// 1 reads and checks the request; 2 finds the conversation it continues and makes messages of it; 3 is admitted as a chat, on
    /// the arm on which its conversation began; 4 is served as a chat, whose reply is written as a response
    /// (<see cref="ResponseForm"/>). What fails in steps 1 and 2 is answered and not recorded.
    /// </summary>
    public async Task HandleAsync(HttpContext context)
    {
        // 1 Read and check.
        using var body = await RequestBody<ResponseRequest>.ReadAsync(context, limits.MaximumBodyBytes, ResponseRequest.TryParse);
        if (body.Request is not { } request)
        {
            await AnswerAsync(context, body.Error!);
            return;
        }

        // 2 Conversation.
        var id = ids.Issue(ResponseIdSigner.Response);
        var itemIds = new ResponseItemIds(id);
        var (resolved, unresolved) = await chain.ResolveAsync(request, itemIds, context.Caller(), context.RequestAborted);
        if (resolved is null)
        {
            await AnswerAsync(context, unresolved!);
            return;
        }

        var rendered = ResponseMessages.Render(request.Instructions, resolved.All);
        if (rendered.Messages.Count == 0)
        {
            await AnswerAsync(context, ApiError.InvalidValue("input", "expected at least one item."));
            return;
        }

        // 3 Admission.
        var unit = resolved.Previous is { } previous ? new RandomisationUnit(previous.Unit, previous.UnitSource) : (RandomisationUnit?)null;
        var chat = request.Chat with { Messages = rendered.Messages };
        if (await road.AdmitAsync(context, chat, id, unit) is not { } exchange)
        {
            return;
        }

        // 4 Service.
        using var form = new ResponseForm(
            exchange, request, WithGuarded(resolved, rendered, exchange.Chat!.Messages), itemIds, stored, records, clock, logger);
        exchange.Form = form;
        await road.ServeChatAsync(context, exchange, body.Document!.RootElement, (outbound, contract) => Fit(outbound, contract, request, form, id));
    }

    /// <summary>Answers <c>POST /v1/responses/input_tokens</c>: the prompt as a worker would get it, counted and not recorded.</summary>
    public async Task<IResult> CountAsync(HttpContext context)
    {
        using var body = await RequestBody<ResponseRequest>.ReadAsync(context, limits.MaximumBodyBytes, ResponseRequest.TryParse);
        if (body.Request is not { } request)
        {
            return new ApiErrorResult(body.Error!);
        }

        var caller = context.Caller();
        if (!caller.MayUse(request.Chat.Model))
        {
            return new ApiErrorResult(ApiError.ModelNotAllowed(request.Chat.Model));
        }

        var id = ids.Issue(ResponseIdSigner.Response);
        var (resolved, unresolved) = await chain.ResolveAsync(request, new ResponseItemIds(id), caller, context.RequestAborted);
        if (resolved is null)
        {
            return new ApiErrorResult(unresolved!);
        }

        if (routing.Current.Choose(request.Chat.Model, new RandomisationUnit(resolved.Previous?.Unit ?? id, "request")) is not { } assigned)
        {
            return new ApiErrorResult(ApiError.ModelNotFound(request.Chat.Model));
        }

        var contract = assigned.Release.Contract?.Content;
        var chat = request.Chat with { Messages = ResponseMessages.Render(request.Instructions, resolved.All).Messages };
        var variables = body.Document!.RootElement.TryGetProperty("variables", out var given) ? given : (JsonElement?)null;
        var applied = ContractApplication.Apply(contract ?? NoContract, chat.Messages, variables, chat.Tools);
        if (applied.Refusal is { } refusal)
        {
            return new ApiErrorResult(ResponseErrors.Translate(ApiError.ContractRefused(refusal), request.Instructions is not null));
        }

        var outbound = ContractedRequest.Of(chat, contract, applied) with { ChatTemplate = contract?.ChatTemplate };
        return preview.TryRender(outbound, out var prompt, out var error)
            ? new JsonReply(json =>
            {
                json.WriteString("object", "response.input_tokens");
                json.WriteNumber("input_tokens", prompt.Ids.Length);
            })
            : new ApiErrorResult(ResponseErrors.Translate(error, request.Instructions is not null));
    }

    /// <summary>Notes the sampling in force and, where the caller wants it, drops what does not fit.</summary>
    private ChatCompletionRequest Fit(ChatCompletionRequest outbound, ContractContent? contract, ResponseRequest request, ResponseForm form, string id)
    {
        form.Writer.Sampling = new(outbound.Temperature ?? contract?.Sampling.Temperature ?? 1, outbound.TopP ?? contract?.Sampling.TopP ?? 1);
        if (!request.DropsOldest)
        {
            return outbound;
        }

        var reply = Math.Min(outbound.MaxTokens ?? 1, contract?.Sampling.MaxTokens ?? int.MaxValue);
        var fitting = ResponseTruncation.Fit(
            outbound, request.Instructions is not null || contract?.SystemPrompt is not null,
            candidate => preview.TryRender(candidate with { ChatTemplate = contract?.ChatTemplate }, out var prompt, out _) ? prompt.Ids.Length : null,
            model.Config.ContextLength - reply, out var dropped);
        if (dropped > 0)
        {
            LogDropped(id, dropped);
        }

        return fitting;
    }

    /// <summary>The new items with the texts that guards let through in place of their own: what may not go in is not stored either.</summary>
    private static ResolvedInput WithGuarded(ResolvedInput resolved, RenderedItems rendered, IReadOnlyList<ChatMessage> guarded)
    {
        if (ReferenceEquals(rendered.Messages, guarded))
        {
            return resolved;
        }

        var input = resolved.Input.ToList();
        foreach (var (index, message) in guarded.Index())
        {
            var place = rendered.Sources[index] - resolved.History.Count;
            if (message.Content == rendered.Messages[index].Content)
            {
                continue;
            }

            if (place >= 0)
            {
                var item = input[place];
                input[place] = item.Kind == ResponseItemKind.Output
                    ? item with { Text = message.Content! }
                    : item with { Parts = [new(item.Role == "assistant" ? "output_text" : "input_text", message.Content!)] };
            }
            else if (rendered.Sources[index] < 0)
            {
                Merge(input, message);
            }
        }

        return resolved with { Input = input };
    }

    /// <summary>Several messages of the assistant became one around its calls: the first of them takes the text, the others give theirs up.</summary>
    private static void Merge(List<ResponseItem> input, ChatMessage message)
    {
        if (message.ToolCalls is not { } calls)
        {
            return;
        }

        var ids = calls.EnumerateArray().Select(call => call.GetProperty("id").GetString()).ToHashSet(StringComparer.Ordinal);
        var text = message.Content;
        var call = input.FindIndex(item => item.Kind == ResponseItemKind.Call && ids.Contains(item.CallId));
        for (var place = call; place >= 0 && place < input.Count && input[place].Kind != ResponseItemKind.Output; place++)
        {
            (input[place], text) = Given(input[place], text);
        }

        for (var place = call - 1; place >= 0 && input[place] is { Kind: ResponseItemKind.Message, Role: "assistant" }; place--)
        {
            (input[place], text) = Given(input[place], text);
        }
    }

    private static (ResponseItem Item, string? Left) Given(ResponseItem item, string? text) => item is { Kind: ResponseItemKind.Message, Role: "assistant" }
        ? (item with { Parts = [new("output_text", text ?? "")] }, "")
        : (item, text);

    private static Task AnswerAsync(HttpContext context, ApiError error) => new ApiErrorResult(error).ExecuteAsync(context);

    [LoggerMessage(LogLevel.Information, "Response {Id}: {Count} messages at the beginning did not fit the context and were dropped.")]
    private partial void LogDropped(string id, int count);
}
