using System.Text.Json;
using Gateway.Api.Wire;
using Gateway.Domain.Json;
using Gateway.Domain.Storage;
using Gateway.Records;

namespace Gateway.Api;

/// <summary>The recorded interactions.</summary>
internal static class InteractionsEndpoints
{
    private const int DefaultLimit = 20;
    private const int MaximumLimit = 1000;

    /// <summary>The route table.</summary>
    public static void MapInteractions(this IEndpointRouteBuilder routes)
    {
        routes.MapGet("/v1/interactions", ListAsync);
        routes.MapGet("/v1/interactions/export", InteractionsExport.HandleAsync);
        routes.MapGet("/v1/interactions/{id}", GetAsync);
        routes.MapDelete("/v1/users/{user}/interactions", EraseUserAsync);
    }

    private static async Task<IResult> GetAsync(string id, HttpContext context, InteractionFinder interactions) =>
        await interactions.FindAsync(id, context.Caller(), context.RequestAborted) is { } interaction
            ? ApiReply.Json(interaction, DomainJson.Default.Interaction)
            : ApiReply.Error(ApiError.InteractionNotFound(id));

    private static async Task<IResult> EraseUserAsync(HttpContext context, string user, UserErasure erasure) =>
        await erasure.EraseAsync(Callers.Name(user), context.Actor(), context.RequestAborted) is { } report
            ? ApiReply.Json(report, RecordsJson.Default.ErasureReport)
            : ApiReply.Error(ApiError.UserNotFound());

    // Newest first; "next_before" is the cursor of the next page.
    private static async Task<IResult> ListAsync(
        string? deployment, string? user, bool? flagged, long? before, int? limit, InteractionFinder interactions, CancellationToken cancellationToken)
    {
        var count = limit ?? DefaultLimit;
        if (count is < 1 or > MaximumLimit)
        {
            return ApiReply.Error(ApiError.InvalidValue("limit", $"expected 1 to {MaximumLimit}."));
        }

        var query = new InteractionQuery { Deployment = deployment, User = user, FlaggedOnly = flagged ?? false, Before = before, Limit = count };
        var page = await interactions.ListAsync(query, cancellationToken);
        return ApiReply.Bytes(StatusCodes.Status200OK, writer =>
        {
            writer.WriteStartObject();
            writer.WriteString("object", "list");
            writer.WriteStartArray("data");
            foreach (var logged in page)
            {
                JsonSerializer.Serialize(writer, logged.Interaction, DomainJson.Default.Interaction);
            }

            writer.WriteEndArray();
            writer.WriteBoolean("has_more", page.Count == count);
            if (page.Count > 0)
            {
                writer.WriteNumber("next_before", page[^1].Sequence);
            }

            writer.WriteEndObject();
        });
    }
}
