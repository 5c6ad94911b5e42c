using System.Text.Json;
using Gateway.Api.Wire;
using Gateway.Domain.Json;
using Gateway.Domain.Rollouts;
using Gateway.Jobs;

namespace Gateway.Api;

/// <summary>Rollouts: what they have seen and decided, and an operator's own attempts.</summary>
internal static class RolloutsEndpoints
{
    /// <summary>The route table.</summary>
    public static void MapRollouts(this IEndpointRouteBuilder routes)
    {
        routes.MapGet("/v1/rollouts", ListAsync);
        routes.MapPost("/v1/rollouts", StartAsync);
        routes.MapGet("/v1/rollouts/{id}", GetAsync);
        routes.MapPost("/v1/rollouts/{id}/abort", AbortAsync);
    }

    /// <summary>
    /// Body of a start. <see cref="OverrideGate"/> lets an adapter through that failed its gate or has none;
    /// <see cref="Force"/> one that was rolled back before.
    /// </summary>
    internal sealed record StartRollout(string? Deployment, string? Generation, string? Reason, bool OverrideGate, bool Force);

    /// <summary>Body of an abort.</summary>
    internal sealed record AbortRollout(string? Reason);

    /// <summary>
    /// The decision record of a rollout: steps, counts, log wealth and intervals by guardrail, verdict and reasons. The sets of
    /// unit hashes stay in the store; they can be large and tell a reader nothing.
    /// </summary>
    internal static void WriteSummary(Utf8JsonWriter writer, Rollout rollout)
    {
        writer.WriteStartObject();
        writer.WriteString("id", rollout.Id);
        writer.WriteString("object", "rollout");
        writer.WriteNumber("share", rollout.Share);
        writer.WriteNumber("pairs", rollout.Pairs);
        writer.WriteString("started_at", rollout.StartedAt);
        if (rollout.EndedAt is { } ended)
        {
            writer.WriteString("ended_at", ended);
        }

        var record = RolloutDecision.From(rollout, RolloutController.Actor, rollout.EndedAt ?? rollout.LastPairAt);
        foreach (var member in JsonSerializer.SerializeToElement(record, DomainJson.Default.RolloutDecision).EnumerateObject())
        {
            member.WriteTo(writer);
        }

        writer.WriteEndObject();
    }

    private static async Task<IResult> ListAsync(string? deployment, RolloutStore rollouts, CancellationToken cancellationToken)
    {
        var found = new List<Rollout>();
        await foreach (var (rollout, _) in rollouts.ListAsync(cancellationToken))
        {
            if (deployment is null || rollout.Deployment == deployment)
            {
                found.Add(rollout);
            }
        }

        return ApiReply.Bytes(StatusCodes.Status200OK, writer =>
        {
            writer.WriteStartObject();
            writer.WriteString("object", "list");
            writer.WriteStartArray("data");
            found.ForEach(rollout => WriteSummary(writer, rollout));
            writer.WriteEndArray();
            writer.WriteBoolean("has_more", false);
            writer.WriteEndObject();
        });
    }

    private static async Task<IResult> GetAsync(string id, RolloutStore rollouts, CancellationToken cancellationToken) =>
        await rollouts.FindAsync(id, cancellationToken) is var (rollout, _)
            ? Reply(rollout)
            : ApiReply.Error(ApiError.NotFound("rollout", id));

    private static async Task<IResult> StartAsync(HttpContext context, RolloutStarter rollouts)
    {
        var (body, error) = await ControlBody.ReadAsync(context.Request, ApiJson.Default.StartRollout);
        if (body is null)
        {
            return ApiReply.Error(error!);
        }

        var missing = body.Deployment is null ? "deployment" : body.Generation is null ? "generation" : string.IsNullOrWhiteSpace(body.Reason) ? "reason" : null;
        if (missing is not null)
        {
            return ApiReply.Error(ApiError.MissingParameter(missing));
        }

        var start = await rollouts.StartAsync(
            new RolloutProposal(body.Deployment!, body.Generation!, context.Actor(), body.Reason!, body.OverrideGate, body.Force), context.RequestAborted);
        return start.Rollout is { } rollout ? Reply(rollout, StatusCodes.Status201Created) : ApiReply.Error(start.Error!);
    }

    // Aborting what has ended already says so: the caller may have meant to prevent a promotion.
    private static async Task<IResult> AbortAsync(string id, HttpContext context, RolloutStore rollouts, TimeProvider clock)
    {
        var (body, error) = context.Request.ContentLength is > 0
            ? await ControlBody.ReadAsync(context.Request, ApiJson.Default.AbortRollout)
            : (new AbortRollout(null), null);
        if (body is null)
        {
            return ApiReply.Error(error!);
        }

        while (await rollouts.FindAsync(id, context.RequestAborted) is var (rollout, version))
        {
            if (rollout.Ended)
            {
                return ApiReply.Error(ApiError.Conflict("rollout_ended", $"The rollout ended already with the verdict {rollout.Verdict}. To undo a promotion, roll the deployment back."));
            }

            var aborted = rollout.RollBackHard($"aborted by {context.Actor()}: {body.Reason ?? "no reason given"}", clock.GetUtcNow());
            if (await rollouts.EndAsync(aborted, version, context.Actor(), context.RequestAborted))
            {
                return Reply(aborted);
            }
        }

        return ApiReply.Error(ApiError.NotFound("rollout", id));
    }

    private static IResult Reply(Rollout rollout, int status = StatusCodes.Status200OK) =>
        ApiReply.Bytes(status, writer => WriteSummary(writer, rollout));
}
