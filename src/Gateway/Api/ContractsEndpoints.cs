using System.Text.Json;
using Gateway.Api.Wire;
using Gateway.Domain.Contracts;
using Gateway.Domain.Json;
using Gateway.Domain.Storage;
using Gateway.Storage;

namespace Gateway.Api;

/// <summary>Contract versions: made, read and compared, never edited.</summary>
internal static class ContractsEndpoints
{
    /// <summary>The route table.</summary>
    public static void MapContracts(this IEndpointRouteBuilder routes)
    {
        routes.MapPost("/v1/contracts", CreateAsync);
        routes.MapGet("/v1/contracts", ListAsync);
        routes.MapGet("/v1/contracts/{name}", GetAsync);
        routes.MapGet("/v1/contracts/{name}/versions", ListVersionsAsync);
        routes.MapGet("/v1/contracts/{name}/versions/{version:int}", GetVersionAsync);
        routes.MapGet("/v1/contracts/{name}/diff", CompareAsync);
    }

    /// <summary>Body of a new version; <see cref="Content"/> as in <see cref="ContractContent"/>.</summary>
    internal sealed record CreateContract(string? Name, JsonElement? Content, string? Message, int? Parent);

    // Identical content is the existing version: 200 instead of 201.
    private static async Task<IResult> CreateAsync(HttpContext context, ContractReader contracts, ControlPlane control, TimeProvider clock)
    {
        var (body, error) = await ControlBody.ReadAsync(context.Request, ApiJson.Default.CreateContract);
        if (body is null)
        {
            return ApiReply.Error(error!);
        }

        if (!ContractNames.IsName(body.Name))
        {
            return ApiReply.Error(ApiError.InvalidValue("name", "expected 1 to 64 of a-z, 0-9, '_', '.', '-'."));
        }

        if (!ContractBody.TryRead(body.Content, out var content, out error))
        {
            return ApiReply.Error(error);
        }

        if (body.Parent is { } parent && await contracts.ByVersionAsync(body.Name!, parent, context.RequestAborted) is null)
        {
            return ApiReply.Error(ApiError.NotFound("contract version", $"{body.Name}@{parent}", "parent"));
        }

        var (contract, isNew) = await control.ApplyAsync(
            context.Actor(), "contract.create", body.Name!, body.Message ?? "",
            async token =>
            {
                var versions = await contracts.VersionsAsync(body.Name!, token);
                var next = ContractHasher.Create(
                    body.Name!, versions.Count + 1, content, clock.GetUtcNow(), context.Actor(), body.Message, body.Parent);
                if (versions.FirstOrDefault(known => known.ContractHash == next.ContractHash) is { } existing)
                {
                    return new([], (existing, false));
                }

                var json = JsonSerializer.SerializeToUtf8Bytes(next, DomainJson.Default.Contract);
                var key = DocumentKeys.ContractVersion(next.Name, next.Version);
                return new ControlDecision<(Contract, bool)>([new(Collections.Contracts, key, ExpectedVersion: 0, json)], (next, true));
            },
            context.RequestAborted);
        return ApiReply.Json(contract, DomainJson.Default.Contract, isNew ? StatusCodes.Status201Created : StatusCodes.Status200OK);
    }

    private static async Task<IResult> ListAsync(ContractReader contracts, CancellationToken cancellationToken)
    {
        var all = await contracts.AllAsync(cancellationToken);
        return ApiReply.List(all.GroupBy(c => c.Name, StringComparer.Ordinal).Select(versions => versions.Last()), DomainJson.Default.Contract);
    }

    private static async Task<IResult> GetAsync(string name, int? version, string? label, ContractReader contracts, CancellationToken cancellationToken)
    {
        if (version is not null && label is not null)
        {
            return ApiReply.Error(ApiError.InvalidValue("label", "give either 'version' or 'label', not both."));
        }

        return version is { } number
            ? await GetVersionAsync(name, number, contracts, cancellationToken)
            : await contracts.ByLabelAsync(name, label ?? ContractNames.Production, cancellationToken) is { } contract
                ? ApiReply.Json(contract, DomainJson.Default.Contract)
                : ApiReply.Error(ApiError.NotFound("contract label", $"{name}@{label ?? ContractNames.Production}"));
    }

    private static async Task<IResult> ListVersionsAsync(string name, ContractReader contracts, CancellationToken cancellationToken)
    {
        var versions = await contracts.VersionsAsync(name, cancellationToken);
        return versions.Count == 0
            ? ApiReply.Error(ApiError.NotFound("contract", name))
            : ApiReply.List(versions, DomainJson.Default.Contract);
    }

    private static async Task<IResult> GetVersionAsync(string name, int version, ContractReader contracts, CancellationToken cancellationToken) =>
        await contracts.ByVersionAsync(name, version, cancellationToken) is { } contract
            ? ApiReply.Json(contract, DomainJson.Default.Contract)
            : ApiReply.Error(ApiError.NotFound("contract version", $"{name}@{version}"));

    // Either side is a version or a label of this contract.
    private static async Task<IResult> CompareAsync(string name, string? from, string? to, ContractReader contracts, CancellationToken cancellationToken)
    {
        if (from is null || to is null)
        {
            return ApiReply.Error(ApiError.MissingParameter(from is null ? "from" : "to"));
        }

        if (await contracts.ByReferenceAsync(name, from, cancellationToken) is not { } before)
        {
            return ApiReply.Error(ApiError.NotFound("contract version", $"{name}@{from}", "from"));
        }

        return await contracts.ByReferenceAsync(name, to, cancellationToken) is { } after
            ? ContractDiffReply.Of(before, after)
            : ApiReply.Error(ApiError.NotFound("contract version", $"{name}@{to}", "to"));
    }
}
