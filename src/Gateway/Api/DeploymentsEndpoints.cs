using System.Text.Json;
using System.Text.RegularExpressions;
using Gateway.Api.Wire;
using Gateway.Domain.Json;
using Gateway.Domain.Releases;
using Gateway.Domain.Rollouts;
using Gateway.Domain.Storage;
using Gateway.FrontDoor;
using Gateway.Hosting;

namespace Gateway.Api;

/// <summary>Deployments: the public model names, and the one pointer that traffic follows.</summary>
internal static partial class DeploymentsEndpoints
{
    /// <summary>The route table.</summary>
    public static void MapDeployments(this IEndpointRouteBuilder routes)
    {
        routes.MapGet("/v1/deployments", List);
        routes.MapPost("/v1/deployments", CreateAsync);
        routes.MapGet("/v1/deployments/{name}", InspectAsync);
        routes.MapPut("/v1/deployments/{name}", MoveAsync);
        routes.MapPost("/v1/deployments/{name}/rollback", RollBackAsync);
    }

    /// <summary>Body of a new deployment.</summary>
    internal sealed record CreateDeployment(string? Name, string? ReleaseId, bool? Learns, string? Reason);

    /// <summary>Body of a move: compare-and-set from <see cref="ExpectedReleaseId"/> to <see cref="ReleaseId"/>.</summary>
    internal sealed record MoveDeployment(string? ReleaseId, string? ExpectedReleaseId, string? Reason);

    /// <summary>Body of a rollback, all optional; <see cref="ExpectedReleaseId"/>, the release to leave, makes a repeat safe.</summary>
    internal sealed record RollBackDeployment(string? ExpectedReleaseId, string? Reason);

    /// <summary>True for <c>[A-Za-z0-9_.:/-]{1,128}</c> without the mark that separates a generation.</summary>
    internal static bool IsName(string? name) => name is not null && NamePattern().IsMatch(name) && !name.Contains("--", StringComparison.Ordinal);

    private static IResult List(RoutingState routing) => ApiReply.List(
        routing.Current.Deployments.Values.Select(route => route.Deployment).OrderBy(d => d.Name, StringComparer.Ordinal), DomainJson.Default.Deployment);

    private static async Task<IResult> CreateAsync(HttpContext context, ReleaseBuilder releases, TrafficSwitch traffic)
    {
        var (body, error) = await ControlBody.ReadAsync(context.Request, ApiJson.Default.CreateDeployment);
        if (body is null)
        {
            return ApiReply.Error(error!);
        }

        if (!IsName(body.Name))
        {
            return ApiReply.Error(ApiError.InvalidValue("name", "expected 1 to 128 letters, digits, '_', '.', ':', '/', '-', without '--'."));
        }

        var (release, missing) = await FindReleaseAsync(body.ReleaseId, releases, context.RequestAborted);
        return release is null
            ? ApiReply.Error(missing!)
            : Reply(
                await traffic.CreateAsync(
                    body.Name!, release, body.Learns ?? true, context.Actor(), body.Reason ?? "created", [], context.RequestAborted),
                StatusCodes.Status201Created);
    }

    private static async Task<IResult> MoveAsync(string name, HttpContext context, ReleaseBuilder releases, TrafficSwitch traffic)
    {
        var (body, error) = await ControlBody.ReadAsync(context.Request, ApiJson.Default.MoveDeployment);
        if (body is null)
        {
            return ApiReply.Error(error!);
        }

        if (body.ExpectedReleaseId is null)
        {
            return ApiReply.Error(ApiError.MissingParameter("expected_release_id"));
        }

        var (release, missing) = await FindReleaseAsync(body.ReleaseId, releases, context.RequestAborted);
        return release is null
            ? ApiReply.Error(missing!)
            : Reply(await traffic.MoveAsync(
                Callers.Name(name), body.ExpectedReleaseId, release, context.Actor(), body.Reason ?? "moved", [], context.RequestAborted));
    }

    private static async Task<IResult> RollBackAsync(string name, HttpContext context, TrafficSwitch traffic)
    {
        // In an emergency an empty body must do.
        var (body, error) = context.Request.ContentLength is > 0 || context.Request.Headers.TransferEncoding.Count > 0
            ? await ControlBody.ReadAsync(context.Request, ApiJson.Default.RollBackDeployment)
            : (new RollBackDeployment(null, null), null);
        return body is null
            ? ApiReply.Error(error!)
            : Reply(await traffic.RollBackAsync(
                Callers.Name(name), body.ExpectedReleaseId, context.Actor(), body.Reason ?? "rolled back by hand", context.RequestAborted));
    }

    // The deployment with everything it refers to, so that one call explains where its traffic goes and why.
    private static async Task<IResult> InspectAsync(string name, RoutingState routing, IDocumentStore documents, CancellationToken cancellationToken)
    {
        name = Callers.Name(name);
        if (!routing.Current.Deployments.TryGetValue(name, out var route))
        {
            return ApiReply.Error(ApiError.NotFound("deployment", name));
        }

        var rollouts = new List<Rollout>();
        await foreach (var document in documents.ListAsync(Collections.Rollouts, "", cancellationToken))
        {
            var rollout = JsonSerializer.Deserialize(document.Json.Span, DomainJson.Default.Rollout)!;
            if (rollout.Deployment == name)
            {
                rollouts.Add(rollout);
            }
        }

        var generations = route.Known.Select(known => known.Release.Generation).Distinct(StringComparer.Ordinal);
        var snapshot = routing.Current;
        return ApiReply.Bytes(StatusCodes.Status200OK, writer =>
        {
            writer.WriteStartObject();
            foreach (var member in JsonSerializer.SerializeToElement(route.Deployment, DomainJson.Default.Deployment).EnumerateObject())
            {
                member.WriteTo(writer);
            }

            writer.WriteStartArray("releases");
            foreach (var known in route.Known)
            {
                JsonSerializer.Serialize(writer, known.Release, DomainJson.Default.Release);
            }

            writer.WriteEndArray();
            writer.WriteStartArray("adapters");
            foreach (var generation in generations)
            {
                if (generation is not null && snapshot.Adapters.TryGetValue(generation, out var adapter))
                {
                    JsonSerializer.Serialize(writer, adapter, DomainJson.Default.Adapter);
                }
            }

            writer.WriteEndArray();
            writer.WriteStartArray("rollouts");
            foreach (var rollout in rollouts.OrderBy(rollout => rollout.StartedAt))
            {
                RolloutsEndpoints.WriteSummary(writer, rollout);
            }

            writer.WriteEndArray();
            writer.WriteEndObject();
        });
    }

    private static async Task<(Release? Release, ApiError? Error)> FindReleaseAsync(string? id, ReleaseBuilder releases, CancellationToken cancellationToken) =>
        id is null ? (null, ApiError.MissingParameter("release_id"))
        : await releases.FindAsync(id, cancellationToken) is { } release ? (release, null)
        : (null, ApiError.NotFound("release", id, "release_id"));

    private static IResult Reply(Switched switched, int status = StatusCodes.Status200OK) =>
        switched.Deployment is { } deployment
            ? ApiReply.Json(deployment, DomainJson.Default.Deployment, status)
            : ApiReply.Error(switched.Error!);

    [GeneratedRegex(@"\A[A-Za-z0-9_.:/-]{1,128}\z", RegexOptions.CultureInvariant)]
    private static partial Regex NamePattern();
}
