using System.Text.Json;
using Gateway.Api.Wire;
using Gateway.Domain.Contracts;
using Gateway.Domain.Json;
using Gateway.Domain.Releases;
using Gateway.Domain.Storage;
using Gateway.Hosting;
using Gateway.Storage;

namespace Gateway.Api;

/// <summary>Releases: what is evaluated, deployed, canaried and rolled back as one.</summary>
internal static class ReleasesEndpoints
{
    /// <summary>The route table.</summary>
    public static void MapReleases(this IEndpointRouteBuilder routes)
    {
        routes.MapPost("/v1/releases", CreateAsync);
        routes.MapGet("/v1/releases", ListAsync);
        routes.MapGet("/v1/releases/{id}", GetAsync);
    }

    /// <summary>
    /// Body of a new release. <see cref="Contract"/> is <c>name</c> (its production label), <c>name@label</c> or
    /// <c>name@version</c>; null is none. <see cref="Generation"/> null is the bare base model.
    /// </summary>
    internal sealed record CreateRelease(string? Contract, string? Generation, bool Force, string? Reason);

    // Releases are named by their content: the same parts are the existing release, 200 instead of 201.
    private static async Task<IResult> CreateAsync(HttpContext context, ReleaseBuilder releases, ContractReader contracts, ControlPlane control)
    {
        var (body, error) = await ControlBody.ReadAsync(context.Request, ApiJson.Default.CreateRelease);
        if (body is null)
        {
            return ApiReply.Error(error!);
        }

        Contract? contract = null;
        if (body.Contract is { } reference)
        {
            contract = await FindContractAsync(reference, contracts, context.RequestAborted);
            if (contract is null)
            {
                return ApiReply.Error(ApiError.NotFound("contract version", reference, "contract"));
            }
        }

        var (release, write, refusal) = await releases.BuildAsync(contract, body.Generation, body.Force, context.RequestAborted);
        if (release is null)
        {
            return ApiReply.Error(refusal!);
        }

        if (write is null)
        {
            return ApiReply.Json(release, DomainJson.Default.Release);
        }

        await control.ApplyAsync(
            context.Actor(), body.Force ? "release.create_forced" : "release.create", release.Id, body.Reason ?? "",
            _ => Task.FromResult(new ControlDecision<Release>([write], release)), context.RequestAborted);
        return ApiReply.Json(release, DomainJson.Default.Release, StatusCodes.Status201Created);
    }

    private static async Task<IResult> ListAsync(IDocumentStore documents, CancellationToken cancellationToken)
    {
        var releases = new List<Release>();
        await foreach (var document in documents.ListAsync(Collections.Releases, "", cancellationToken))
        {
            releases.Add(JsonSerializer.Deserialize(document.Json.Span, DomainJson.Default.Release)!);
        }

        return ApiReply.List(releases.OrderBy(release => release.CreatedAt), DomainJson.Default.Release);
    }

    private static async Task<IResult> GetAsync(string id, ReleaseBuilder releases, CancellationToken cancellationToken) =>
        await releases.FindAsync(id, cancellationToken) is { } release
            ? ApiReply.Json(release, DomainJson.Default.Release)
            : ApiReply.Error(ApiError.NotFound("release", id));

    private static Task<Contract?> FindContractAsync(string reference, ContractReader contracts, CancellationToken cancellationToken)
    {
        var at = reference.IndexOf('@', StringComparison.Ordinal);
        var name = at < 0 ? reference : reference[..at];
        return contracts.ByReferenceAsync(name, at < 0 ? ContractNames.Production : reference[(at + 1)..], cancellationToken);
    }
}
