using System.Text.Json;
using Gateway.Api.Wire;
using Gateway.Domain.Contracts;
using Gateway.Domain.Json;
using Gateway.Domain.Storage;
using Gateway.Storage;

namespace Gateway.Api;

/// <summary>A movable name for a contract version.</summary>
public sealed record ContractLabel(string Name, string Label, int Version);

/// <summary>Contract versions and their labels. Moving a label never moves traffic.</summary>
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
        routes.MapGet("/v1/contracts/{name}/labels", ListLabelsAsync);
        routes.MapPut("/v1/contracts/{name}/labels/{label}", MoveLabelAsync);
    }

    /// <summary>Body of a new version; <see cref="Content"/> as in <see cref="ContractContent"/>.</summary>
    internal sealed record CreateContract(string? Name, JsonElement? Content, string? Message, int? Parent);

    /// <summary>Body of a label move; <see cref="ExpectedVersion"/> null or absent means that the label must not exist yet.</summary>
    internal sealed record MoveLabel(int? Version, int? ExpectedVersion);

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

    private static async Task<IResult> ListLabelsAsync(string name, ContractReader contracts, CancellationToken cancellationToken) =>
        ApiReply.List(await contracts.LabelsAsync(name, cancellationToken), ApiJson.Default.ContractLabel);

    private static async Task<IResult> MoveLabelAsync(
        string name, string label, HttpContext context, ContractReader contracts, IDocumentStore documents, ControlPlane control)
    {
        var (body, error) = await ControlBody.ReadAsync(context.Request, ApiJson.Default.MoveLabel);
        if (body is null)
        {
            return ApiReply.Error(error!);
        }

        if (!ContractNames.IsMovableLabel(label))
        {
            return ApiReply.Error(ApiError.InvalidValue("label", "expected 1 to 36 of a-z, 0-9, '_', '.', '-', not digits only and not 'latest'."));
        }

        if (body.Version is not { } version)
        {
            return ApiReply.Error(ApiError.MissingParameter("version"));
        }

        if (await contracts.ByVersionAsync(name, version, context.RequestAborted) is null)
        {
            return ApiReply.Error(ApiError.NotFound("contract version", $"{name}@{version}", "version"));
        }

        var moved = new ContractLabel(name, label, version);
        var conflict = await control.ApplyAsync(
            context.Actor(), "contract.label", $"{name}@{label}", $"moved to version {version}",
            async token =>
            {
                var key = DocumentKeys.ContractLabel(name, label);
                var current = await documents.GetAsync(Collections.Labels, key, token);
                var held = current is null ? null : JsonSerializer.Deserialize(current.Json.Span, ApiJson.Default.ContractLabel);
                if (held?.Version != body.ExpectedVersion)
                {
                    return new ControlDecision<ApiError?>([], ApiError.GenerationMismatch(held is null
                        ? $"The label '{label}' does not exist yet: leave 'expected_version' out to create it."
                        : $"The label '{label}' is at version {held.Version}: read it again and send that as 'expected_version'."));
                }

                var json = JsonSerializer.SerializeToUtf8Bytes(moved, ApiJson.Default.ContractLabel);
                return new([new(Collections.Labels, key, current?.Version ?? 0, json)], null);
            },
            context.RequestAborted);
        return conflict is null ? ApiReply.Json(moved, ApiJson.Default.ContractLabel) : ApiReply.Error(conflict);
    }
}
