using Gateway.Api.Wire;
using Gateway.Responses;

namespace Gateway.Api;

/// <summary>OpenAI's responses: making them is <see cref="ResponsesRoad"/>'s, the other calls read and remove what is kept.</summary>
internal static class ResponsesEndpoints
{
    private const int DefaultLimit = 20;
    private const int MaximumLimit = 100;

    /// <summary>The route table.</summary>
    public static void MapResponses(this IEndpointRouteBuilder routes)
    {
        routes.MapPost("/v1/responses", (HttpContext context, ResponsesRoad road) => road.HandleAsync(context));
        routes.MapPost("/v1/responses/input_tokens", Task<IResult> (HttpContext context, ResponsesRoad road) => road.CountAsync(context));
        routes.MapGet("/v1/responses/{id}", GetAsync);
        routes.MapDelete("/v1/responses/{id}", DeleteAsync);
        routes.MapGet("/v1/responses/{id}/input_items", ItemsAsync);
        routes.MapPost("/v1/responses/{id}/cancel", CancelAsync);

        // Said plainly, so that no client takes them for a mistake in the address.
        routes.MapGet("/v1/responses", (HttpContext context) => Unsupported(context, "Send POST /v1/responses, with 'stream': true for events."));
        routes.MapPost("/v1/responses/compact", (HttpContext context) => Unsupported(context, "Set 'truncation' to 'auto'."));
        routes.MapPost("/v1/conversations", (HttpContext context) => Unsupported(context, ConversationHint));
        routes.MapGet("/v1/conversations/{**rest}", (HttpContext context) => Unsupported(context, ConversationHint));
        routes.MapPost("/v1/conversations/{**rest}", (HttpContext context) => Unsupported(context, ConversationHint));
        routes.MapDelete("/v1/conversations/{**rest}", (HttpContext context) => Unsupported(context, ConversationHint));
    }

    private const string ConversationHint = "Continue a response with 'previous_response_id'.";

    private static async Task<IResult> GetAsync(string id, HttpContext context, StoredResponses stored, CancellationToken cancellationToken)
    {
        var query = context.Request.Query;
        if (query.ContainsKey("starting_after") || string.Equals(query["stream"], "true", StringComparison.OrdinalIgnoreCase))
        {
            return new ApiErrorResult(ApiError.UnsupportedParameter(query.ContainsKey("starting_after") ? "starting_after" : "stream", "A response that has ended is read whole."));
        }

        return await stored.FindAsync(id, context.Caller(), cancellationToken) is { } response
            ? ApiReply.Bytes(StatusCodes.Status200OK, response.Reply.WriteTo)
            : Missing(id);
    }

    private static async Task<IResult> DeleteAsync(string id, HttpContext context, StoredResponses stored, CancellationToken cancellationToken) =>
        await stored.FindAsync(id, context.Caller(), cancellationToken) is not null && await stored.RemoveAsync(id, cancellationToken)
            ? new JsonReply(json =>
            {
                json.WriteString("id", id);
                json.WriteString("object", "response.deleted");
                json.WriteBoolean("deleted", true);
            })
            : Missing(id);

    private static async Task<IResult> CancelAsync(string id, HttpContext context, StoredResponses stored, CancellationToken cancellationToken) =>
        await stored.FindAsync(id, context.Caller(), cancellationToken) is null ? Missing(id) : new ApiErrorResult(ApiError.NotCancellable());

    private static async Task<IResult> ItemsAsync(
        string id, HttpContext context, int? limit, string? order, string? after, StoredResponses stored, ResponseChain chain, CancellationToken cancellationToken)
    {
        if (context.Request.Query.ContainsKey("before"))
        {
            return new ApiErrorResult(ApiError.UnsupportedParameter("before", "Use 'after' with the other 'order'."));
        }

        if (limit is < 1 or > MaximumLimit)
        {
            return new ApiErrorResult(ApiError.InvalidValue("limit", $"expected 1 to {MaximumLimit}."));
        }

        if (order is not (null or "asc" or "desc"))
        {
            return new ApiErrorResult(ApiError.InvalidValue("order", "expected asc or desc."));
        }

        var caller = context.Caller();
        if (await stored.FindAsync(id, caller, cancellationToken) is not { } response)
        {
            return Missing(id);
        }

        var items = (await chain.ItemsOfAsync(response, caller, cancellationToken)).ToList();
        if (order is not "asc")
        {
            items.Reverse();
        }

        var start = after is null ? 0 : items.FindIndex(item => item.Id == after) + 1;
        if (after is not null && start == 0)
        {
            return new ApiErrorResult(ApiError.InvalidValue("after", "no item of this response has this id."));
        }

        var page = items.GetRange(start, Math.Min(limit ?? DefaultLimit, items.Count - start));
        return new JsonReply(json =>
        {
            json.WriteString("object", "list");
            json.WriteStartArray("data");
            page.ForEach(item => item.WriteTo(json));
            json.WriteEndArray();
            json.WriteString("first_id", page.Count == 0 ? null : page[0].Id);
            json.WriteString("last_id", page.Count == 0 ? null : page[^1].Id);
            json.WriteBoolean("has_more", start + page.Count < items.Count);
        });
    }

    private static ApiErrorResult Missing(string id) => new(ApiError.ResponseNotFound(id));

    private static ApiErrorResult Unsupported(HttpContext context, string hint) =>
        new(ApiError.UnsupportedEndpoint(context.Request.Method, context.Request.Path, hint));
}
