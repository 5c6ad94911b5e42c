using System.Text.Json;
using Gateway.Api.Wire;
using Gateway.Domain.Interactions;
using Gateway.FrontDoor;

namespace Gateway.Api;

/// <summary>OpenAI's calls on completions that were created with <c>store</c>.</summary>
internal static class StoredCompletionsEndpoints
{
    private const int DefaultLimit = 20;
    private const int MaximumLimit = 100;
    private const long MaximumBodyBytes = 64 << 10;

    /// <summary>The route table.</summary>
    public static void MapStoredCompletions(this IEndpointRouteBuilder routes)
    {
        routes.MapGet("/v1/chat/completions", ListAsync);
        routes.MapGet("/v1/chat/completions/{id}", GetAsync);
        routes.MapPost("/v1/chat/completions/{id}", UpdateAsync);
        routes.MapDelete("/v1/chat/completions/{id}", DeleteAsync);
        routes.MapGet("/v1/chat/completions/{id}/messages", MessagesAsync);
    }

    private static async Task<IResult> GetAsync(string id, HttpContext context, InteractionFinder interactions, StoredCompletions stored, CancellationToken cancellationToken) =>
        await interactions.FindAsync(id, context.Caller(), cancellationToken) is { } interaction && await stored.FindAsync(interaction, cancellationToken) is { } kept
            ? new JsonReply(json => StoredCompletionWriter.WriteMembers(json, interaction, kept))
            : Missing(id);

    private static async Task<IResult> UpdateAsync(string id, HttpContext context, InteractionFinder interactions, StoredCompletions stored)
    {
        var body = await JsonBody.ReadAsync(context.Request, MaximumBodyBytes, context.RequestAborted);
        using var document = body.Document;
        if (document is null)
        {
            return new ApiErrorResult(body.Error!);
        }

        var fields = new FieldReader();
        if (document.RootElement.ValueKind != JsonValueKind.Object || !document.RootElement.TryGetProperty("metadata", out var given))
        {
            return new ApiErrorResult(ApiError.MissingParameter("metadata"));
        }

        var metadata = given.ValueKind == JsonValueKind.Null ? [] : InferenceFieldsReader.ReadMetadata(given, fields);
        if (fields.Error is { } error)
        {
            return new ApiErrorResult(error);
        }

        return await interactions.FindAsync(id, context.Caller(), context.RequestAborted) is { } interaction
            && await stored.UpdateAsync(interaction, metadata!, context.RequestAborted) is { } kept
            ? new JsonReply(json => StoredCompletionWriter.WriteMembers(json, interaction, kept))
            : Missing(id);
    }

    private static async Task<IResult> DeleteAsync(string id, HttpContext context, InteractionFinder interactions, StoredCompletions stored, CancellationToken cancellationToken) =>
        await interactions.FindAsync(id, context.Caller(), cancellationToken) is { } interaction && await stored.RemoveAsync(interaction, cancellationToken)
            ? new JsonReply(json =>
            {
                json.WriteString("object", "chat.completion.deleted");
                json.WriteString("id", id);
                json.WriteBoolean("deleted", true);
            })
            : Missing(id);

    private static async Task<IResult> MessagesAsync(
        string id, HttpContext context, string? after, int? limit, string? order, InteractionFinder interactions, StoredCompletions stored, CancellationToken cancellationToken)
    {
        if (Page(limit, order) is { } error)
        {
            return error;
        }

        if (await interactions.FindAsync(id, context.Caller(), cancellationToken) is not { } interaction || await stored.FindAsync(interaction, cancellationToken) is null)
        {
            return Missing(id);
        }

        var messages = interaction.Messages.Select((message, index) => (Id: $"{id}-{index}", Message: message));
        var page = Cut(Ordered(messages, order).ToList(), message => message.Id, after, limit, out var hasMore);
        return new JsonReply(json => WriteList(json, page, message => message.Id, hasMore, message =>
        {
            json.WriteStartObject();
            json.WriteString("id", message.Id);
            StoredCompletionWriter.WriteMessageMembers(json, message.Message);
            json.WriteEndObject();
        }));
    }

    private static async Task<IResult> ListAsync(
        HttpRequest request, string? model, string? after, int? limit, string? order, InteractionFinder interactions, StoredCompletions stored, CancellationToken cancellationToken)
    {
        if (Page(limit, order) is { } error)
        {
            return error;
        }

        var wanted = request.Query
            .Where(pair => pair.Key.StartsWith("metadata[", StringComparison.Ordinal) && pair.Key.EndsWith(']'))
            .Select(pair => (Name: pair.Key["metadata[".Length..^1], Value: pair.Value.ToString())).ToList();
        var found = new List<StoredCompletion>();
        await foreach (var completion in stored.ListAsync(cancellationToken))
        {
            if (request.HttpContext.Caller().MaySee(completion.Owner) && (model is null || completion.Model == model)
                && wanted.TrueForAll(pair => completion.Metadata.TryGetValue(pair.Name, out var value) && value == pair.Value))
            {
                found.Add(completion);
            }
        }

        var page = new List<(StoredCompletion Kept, Interaction Interaction)>();
        var cut = Cut(Ordered(found, order).ToList(), completion => completion.Id, after, limit, out var hasMore);
        foreach (var kept in cut)
        {
            // A record whose time is over takes the completion with it.
            if (await interactions.FindAsync(kept.Id, cancellationToken) is { } interaction)
            {
                page.Add((kept, interaction));
            }
        }

        return new JsonReply(json => WriteList(json, page, item => item.Kept.Id, hasMore, item =>
        {
            json.WriteStartObject();
            StoredCompletionWriter.WriteMembers(json, item.Interaction, item.Kept);
            json.WriteEndObject();
        }));
    }

    private static ApiErrorResult? Page(int? limit, string? order) =>
        limit is < 1 or > MaximumLimit ? new(ApiError.InvalidValue("limit", $"expected 1 to {MaximumLimit}."))
        : order is not (null or "asc" or "desc") ? new(ApiError.InvalidValue("order", "expected asc or desc."))
        : null;

    private static IEnumerable<T> Ordered<T>(IEnumerable<T> items, string? order) => order == "desc" ? items.Reverse() : items;

    private static List<T> Cut<T>(List<T> items, Func<T, string> id, string? after, int? limit, out bool hasMore)
    {
        var start = after is null ? 0 : items.FindIndex(item => id(item) == after) + 1;
        var count = limit ?? DefaultLimit;
        hasMore = items.Count - start > count;
        return items.GetRange(start, Math.Min(count, items.Count - start));
    }

    private static void WriteList<T>(Utf8JsonWriter json, List<T> page, Func<T, string> id, bool hasMore, Action<T> write)
    {
        json.WriteString("object", "list");
        json.WriteStartArray("data");
        page.ForEach(write);
        json.WriteEndArray();
        json.WriteString("first_id", page.Count == 0 ? null : id(page[0]));
        json.WriteString("last_id", page.Count == 0 ? null : id(page[^1]));
        json.WriteBoolean("has_more", hasMore);
    }

    private static ApiErrorResult Missing(string id) => new(ApiError.NotFound("stored completion", id));
}
