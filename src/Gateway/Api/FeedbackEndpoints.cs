using System.Text.Json;
using Gateway.Api.Wire;
using Gateway.Domain.Contracts;
using Gateway.Domain.Interactions;
using Gateway.Domain.Json;
using Gateway.Domain.Storage;
using Gateway.Security;
using Gateway.Telemetry;

namespace Gateway.Api;

/// <summary>Reply to a deletion.</summary>
internal sealed record DeletedReply(string Id, string Object, bool Deleted);

/// <summary>Feedback on replies: answered after the durable write, idempotent by key, retractable.</summary>
internal static class FeedbackEndpoints
{
    private const long MaximumBodyBytes = 1 << 20;

    /// <summary>The route table.</summary>
    public static void MapFeedback(this IEndpointRouteBuilder routes)
    {
        routes.MapPost("/v1/feedback", CreateAsync);
        routes.MapGet("/v1/feedback", ListAsync);
        routes.MapDelete("/v1/feedback/{id}", RetractAsync);
    }

    /// <summary>
    /// 1 reads and checks the body; 2 refuses ids this installation never issued and replies of other owners; 3 a correction must satisfy the contract
    /// that was in force; 4 stores it once per idempotency key. 201 when recorded, 202 while the interaction is not visible
    /// yet, 200 for a repeat.
    /// </summary>
    private static async Task<IResult> CreateAsync(
        HttpContext context, FeedbackStore feedback, InteractionFinder interactions, ContractReader contracts, ResponseIdSigner ids, TimeProvider clock)
    {
        // 1 Read.
        var body = await JsonBody.ReadAsync(context.Request, MaximumBodyBytes, context.RequestAborted);
        using var document = body.Document;
        if (document is null)
        {
            return ApiReply.Error(body.Error!);
        }

        if (!FeedbackBody.TryRead(document.RootElement, clock.GetUtcNow(), out var item, out var invalid))
        {
            return ApiReply.Error(invalid);
        }

        // 2 Ours?
        if (!ids.Verify(item.ResponseId))
        {
            return ApiReply.Error(ApiError.InteractionNotFound(item.ResponseId));
        }

        var caller = context.Caller();
        var interaction = await interactions.FindAsync(item.ResponseId, caller, context.RequestAborted);
        if (interaction is null && !caller.IsOperator)
        {
            return ApiReply.Error(ApiError.InteractionNotFound(item.ResponseId));
        }

        // 3 Does the correction fit?
        if (item.Kind == FeedbackKind.Correction && interaction is not null
            && await ViolationAsync(interaction, item.Text!, contracts, context.RequestAborted) is { } violation)
        {
            return ApiReply.Error(ApiError.SchemaViolation($"The correction does not satisfy the output schema of {interaction.Contract}: {violation}", "value"));
        }

        // 4 Store. Owners do not share idempotency keys.
        var key = context.Request.Headers["Idempotency-Key"].ToString();
        key = key.Length > 0 && caller.Owner is not null ? $"{caller.Owner}\n{key}" : key;
        var stored = await feedback.AddAsync(item, key, CanonicalJson.Write(document.RootElement), context.RequestAborted);
        if (stored is { Conflicts: false, IsRepeat: false })
        {
            Instruments.Rated(JsonNamingPolicy.SnakeCaseLower.ConvertName(item.Kind.ToString()));
        }

        return stored switch
        {
            { Conflicts: true } => ApiReply.Error(ApiError.Conflict("idempotency_key_reused", "This Idempotency-Key was used with another body: use a fresh key.")),
            { IsRepeat: true } => Reply(stored.Feedback, interaction is not null, StatusCodes.Status200OK),
            _ => Reply(stored.Feedback, interaction is not null, interaction is null ? StatusCodes.Status202Accepted : StatusCodes.Status201Created),
        };
    }

    private static async Task<IResult> ListAsync(HttpContext context, FeedbackStore feedback, InteractionFinder interactions)
    {
        var responseId = context.Request.Query["response_id"].ToString();
        if (responseId.Length == 0)
        {
            return ApiReply.Error(ApiError.MissingParameter("response_id"));
        }

        var caller = context.Caller();
        var isKnown = await interactions.FindAsync(responseId, caller, context.RequestAborted) is not null;
        if (!isKnown && !caller.IsOperator)
        {
            return ApiReply.Error(ApiError.InteractionNotFound(responseId));
        }

        var items = await feedback.ListAsync(responseId, context.RequestAborted);
        return ApiReply.List(items.Select(item => FeedbackReply.Of(item, isKnown)), ApiJson.Default.FeedbackReply);
    }

    private static async Task<IResult> RetractAsync(string id, HttpContext context, FeedbackStore feedback, InteractionFinder interactions) =>
        await IsOwnAsync(id, context, feedback, interactions) && await feedback.RetractAsync(id, context.RequestAborted)
            ? ApiReply.Json(new(id, "feedback", true), ApiJson.Default.DeletedReply)
            : ApiReply.Error(ApiError.NotFound("feedback", id));

    private static async Task<bool> IsOwnAsync(string id, HttpContext context, FeedbackStore feedback, InteractionFinder interactions) =>
        context.Caller() is { IsOperator: true }
        || (await feedback.ResponseOfAsync(id, context.RequestAborted) is { } response
            && await interactions.FindAsync(response, context.Caller(), context.RequestAborted) is not null);

    private static async Task<string?> ViolationAsync(Interaction interaction, string correction, ContractReader contracts, CancellationToken cancellationToken)
    {
        if (interaction.Contract?.Split('@') is not [var name, var version]
            || await contracts.ByVersionAsync(name, int.Parse(version, System.Globalization.CultureInfo.InvariantCulture), cancellationToken) is not { Content.OutputSchema: { } schema })
        {
            return null;
        }

        return JsonSchema.TryParse(schema, out var compiled, out _) && compiled.ValidateText(correction) is [var problem, ..] ? problem.ToString() : null;
    }

    private static IResult Reply(Feedback item, bool isKnown, int status) =>
        ApiReply.Json(FeedbackReply.Of(item, isKnown), ApiJson.Default.FeedbackReply, status);
}
