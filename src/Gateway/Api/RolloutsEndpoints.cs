using System.Text.Json;
using Gateway.Api.Wire;
using Gateway.Domain.Json;
using Gateway.Domain.Rollouts;
using Gateway.Domain.Storage;

namespace Gateway.Api;

/// <summary>Rollouts: what they have seen and what they have decided.</summary>
internal static class RolloutsEndpoints
{
    /// <summary>The route table.</summary>
    public static void MapRollouts(this IEndpointRouteBuilder routes)
    {
        routes.MapGet("/v1/rollouts", ListAsync);
        routes.MapGet("/v1/rollouts/{id}", GetAsync);
    }

    /// <summary>
    /// The decision record of a rollout: steps, counts, log wealth and intervals by guardrail, verdict and reasons. The sets of
    /// unit hashes stay in the store; they can be large and tell a reader nothing.
    /// </summary>
    internal static void WriteSummary(Utf8JsonWriter writer, Rollout rollout) =>
        JsonSerializer.Serialize(writer, RolloutDecision.From(rollout, "rollout", rollout.LastPairAt), DomainJson.Default.RolloutDecision);

    private static async Task<IResult> ListAsync(string? deployment, IDocumentStore documents, CancellationToken cancellationToken)
    {
        var decisions = new List<RolloutDecision>();
        await foreach (var document in documents.ListAsync(Collections.Rollouts, "", cancellationToken))
        {
            var rollout = JsonSerializer.Deserialize(document.Json.Span, DomainJson.Default.Rollout)!;
            if (deployment is null || rollout.Deployment == deployment)
            {
                decisions.Add(RolloutDecision.From(rollout, "rollout", rollout.LastPairAt));
            }
        }

        return ApiReply.List(decisions, DomainJson.Default.RolloutDecision);
    }

    private static async Task<IResult> GetAsync(string id, IDocumentStore documents, CancellationToken cancellationToken) =>
        await documents.GetAsync(Collections.Rollouts, id, cancellationToken) is { } document
            ? ApiReply.Bytes(StatusCodes.Status200OK, writer => WriteSummary(writer, JsonSerializer.Deserialize(document.Json.Span, DomainJson.Default.Rollout)!))
            : ApiReply.Error(ApiError.NotFound("rollout", id));
}
