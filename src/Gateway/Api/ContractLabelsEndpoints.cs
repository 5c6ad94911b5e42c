using System.Text.Json;
using Gateway.Api.Wire;
using Gateway.Domain.Contracts;
using Gateway.Domain.Json;
using Gateway.Domain.Storage;
using Gateway.Storage;

namespace Gateway.Api;

/// <summary>Labels of contract versions: moved by compare-and-set, protected on wish, with their history. Moving one never moves traffic.</summary>
internal static class ContractLabelsEndpoints
{
    /// <summary>The route table.</summary>
    public static void MapContractLabels(this IEndpointRouteBuilder routes)
    {
        routes.MapGet("/v1/contracts/{name}/labels", ListAsync);
        routes.MapGet("/v1/contracts/{name}/labels/{label}", GetAsync);
        routes.MapPut("/v1/contracts/{name}/labels/{label}", MoveAsync);
        routes.MapDelete("/v1/contracts/{name}/labels/{label}", DeleteAsync);
    }

    /// <summary>
    /// Body of a label move. <see cref="ExpectedVersion"/> null or absent means that the label must not exist yet;
    /// <see cref="Protected"/> null leaves the protection as it is.
    /// </summary>
    internal sealed record MoveLabel(int? Version, int? ExpectedVersion, bool? Protected, string? Reason);

    private static async Task<IResult> ListAsync(string name, ContractReader contracts, CancellationToken cancellationToken) =>
        ApiReply.List(await contracts.LabelsAsync(name, cancellationToken), DomainJson.Default.ContractLabel);

    private static async Task<IResult> GetAsync(string name, string label, ContractReader contracts, CancellationToken cancellationToken) =>
        (await contracts.LabelsAsync(name, cancellationToken)).FirstOrDefault(known => known.Label == label) is { } found
            ? ApiReply.Json(found, DomainJson.Default.ContractLabel)
            : ApiReply.Error(ApiError.NotFound("contract label", $"{name}@{label}"));

    private static async Task<IResult> MoveAsync(
        string name, string label, HttpContext context, ContractReader contracts, IDocumentStore documents, ControlPlane control, TimeProvider clock)
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

        return await ChangeAsync(
            name, label, body.ExpectedVersion, "contract.label", $"moved to version {version}{(body.Reason is null ? "" : $": {body.Reason}")}", context, documents, control,
            held => body.Protected is not null && !context.IsOperator()
                ? (null, ApiError.AdminRequired())
                : ((held ?? new ContractLabel { Name = name, Label = label, Version = version })
                    .MoveTo(version, clock.GetUtcNow(), context.Actor(), body.Reason) with
                { Protected = body.Protected ?? held?.Protected ?? false }, null));
    }

    private static async Task<IResult> DeleteAsync(
        string name, string label, int? expected_version, HttpContext context, IDocumentStore documents, ControlPlane control) =>
        expected_version is null
            ? ApiReply.Error(ApiError.MissingParameter("expected_version"))
            : await ChangeAsync(name, label, expected_version, "contract.unlabel", "removed", context, documents, control, _ => (null, null));

    // The label as it becomes (null removes it), or the error that keeps it as it is.
    private static async Task<IResult> ChangeAsync(
        string name, string label, int? expectedVersion, string action, string reason, HttpContext context, IDocumentStore documents, ControlPlane control,
        Func<ContractLabel?, (ContractLabel? Next, ApiError? Error)> change)
    {
        var (next, failure) = await control.ApplyAsync(
            context.Actor(), action, $"{name}@{label}", reason,
            async token =>
            {
                var key = DocumentKeys.ContractLabel(name, label);
                var current = await documents.GetAsync(Collections.Labels, key, token);
                var held = current is null ? null : JsonSerializer.Deserialize(current.Json.Span, DomainJson.Default.ContractLabel);
                var (next, error) = RefusalOf(label, held, expectedVersion, context) is { } refusal ? (null, refusal) : change(held);
                if (error is not null)
                {
                    return new ControlDecision<(ContractLabel?, ApiError?)>([], (null, error));
                }

                var json = next is null ? (ReadOnlyMemory<byte>?)null : JsonSerializer.SerializeToUtf8Bytes(next, DomainJson.Default.ContractLabel);
                return new([new(Collections.Labels, key, current?.Version ?? 0, json)], (next, null));
            },
            context.RequestAborted);
        return failure is not null ? ApiReply.Error(failure)
            : next is null ? ApiReply.Json(new($"{name}@{label}", "contract.label", true), ApiJson.Default.DeletedReply)
            : ApiReply.Json(next, DomainJson.Default.ContractLabel);
    }

    private static ApiError? RefusalOf(string label, ContractLabel? held, int? expectedVersion, HttpContext context) =>
        held is { Protected: true } && !context.IsOperator() ? ApiError.AdminRequired()
        : held?.Version == expectedVersion ? null
        : ApiError.GenerationMismatch(held is null
            ? $"The label '{label}' does not exist yet: leave 'expected_version' out to create it."
            : $"The label '{label}' is at version {held.Version}: read it again and send that as 'expected_version'.");
}
