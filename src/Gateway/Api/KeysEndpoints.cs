using Gateway.Api.Wire;
using Gateway.Domain.Keys;
using Gateway.Security;

namespace Gateway.Api;

/// <summary>API keys: operators make, list, replace and revoke them. A secret is in one reply only.</summary>
internal static class KeysEndpoints
{
    private static readonly TimeSpan MaximumGrace = TimeSpan.FromDays(30);

    /// <summary>The route table.</summary>
    public static void MapKeys(this IEndpointRouteBuilder routes)
    {
        routes.MapGet("/v1/keys", ListAsync);
        routes.MapPost("/v1/keys", CreateAsync);
        routes.MapGet("/v1/keys/{id}", GetAsync);
        routes.MapPost("/v1/keys/{id}/revoke", RevokeAsync);
        routes.MapPost("/v1/keys/{id}/rotate", RotateAsync);
    }

    /// <summary>Body of a revocation.</summary>
    internal sealed record RevokeKey(string? Reason);

    /// <summary>Body of a rotation; the old secret works for <see cref="GraceSeconds"/> more.</summary>
    internal sealed record RotateKey(int? GraceSeconds, string? Reason);

    private static async Task<IResult> ListAsync(KeyIssuer issuer, TimeProvider clock, CancellationToken cancellationToken) => ApiReply.List(
        (await issuer.ListAsync(cancellationToken)).OrderBy(key => key.CreatedAt).Select(key => KeyReply.Of(key, null, clock.GetUtcNow())),
        ApiJson.Default.KeyReply);

    private static async Task<IResult> GetAsync(string id, KeyIssuer issuer, TimeProvider clock, CancellationToken cancellationToken) =>
        await issuer.FindAsync(id, cancellationToken) is ({ } key, _)
            ? ApiReply.Json(KeyReply.Of(key, null, clock.GetUtcNow()), ApiJson.Default.KeyReply)
            : ApiReply.Error(ApiError.NotFound("key", id));

    // From the first key on every caller needs one, so the first must be able to make the others.
    private static async Task<IResult> CreateAsync(HttpContext context, KeyIssuer issuer, KeyRing ring, TimeProvider clock)
    {
        var (body, error) = await ControlBody.ReadAsync(context.Request, ApiJson.Default.CreateKey);
        if (body is null)
        {
            return ApiReply.Error(error!);
        }

        var (draft, problem) = body.Read(clock.GetUtcNow());
        if (draft is null)
        {
            return ApiReply.Error(problem!);
        }

        if (!ring.Current.Required && !draft.Granted().HasFlag(KeyScope.Operator))
        {
            return ApiReply.Error(ApiError.Conflict(
                "operator_key_first", "From the first key on, every caller needs one: make one with the scope 'operator' first, then the others with it.", "scopes"));
        }

        var issued = await issuer.CreateAsync(draft, context.Actor(), body.Reason ?? "created", context.RequestAborted);
        await ring.RefreshAsync(context.RequestAborted);
        return ApiReply.Json(KeyReply.Of(issued.Key, issued.Secret, clock.GetUtcNow()), ApiJson.Default.KeyReply, StatusCodes.Status201Created);
    }

    private static async Task<IResult> RevokeAsync(string id, HttpContext context, KeyIssuer issuer, KeyRing ring, TimeProvider clock)
    {
        var (body, error) = await ControlBody.ReadOptionalAsync(context.Request, ApiJson.Default.RevokeKey, new RevokeKey(null));
        if (body is null)
        {
            return ApiReply.Error(error!);
        }

        var now = clock.GetUtcNow();
        await ring.RefreshAsync(context.RequestAborted);
        if (!ring.Current.HasBootstrapKey && ring.Current.Keys.Where(key => key.IsActive(now) && key.Granted().HasFlag(KeyScope.Operator)).Select(key => key.Id).ToList() is [var last] && last == id)
        {
            return ApiReply.Error(ApiError.Conflict("last_operator_key", "This is the last operator key: make another one before you revoke it."));
        }

        var revoked = await issuer.RevokeAsync(id, context.Actor(), body.Reason ?? "revoked", context.RequestAborted);
        await ring.RefreshAsync(context.RequestAborted);
        return revoked is null
            ? ApiReply.Error(ApiError.NotFound("key", id))
            : ApiReply.Json(KeyReply.Of(revoked, null, clock.GetUtcNow()), ApiJson.Default.KeyReply);
    }

    private static async Task<IResult> RotateAsync(string id, HttpContext context, KeyIssuer issuer, KeyRing ring, TimeProvider clock)
    {
        var (body, error) = await ControlBody.ReadOptionalAsync(context.Request, ApiJson.Default.RotateKey, new RotateKey(null, null));
        if (body is null)
        {
            return ApiReply.Error(error!);
        }

        var grace = TimeSpan.FromSeconds(body.GraceSeconds ?? 0);
        if (grace < TimeSpan.Zero || grace > MaximumGrace)
        {
            return ApiReply.Error(ApiError.InvalidValue("grace_seconds", $"expected 0 to {MaximumGrace.TotalSeconds:0}."));
        }

        var issued = await issuer.RotateAsync(id, grace, context.Actor(), body.Reason ?? "rotated", context.RequestAborted);
        await ring.RefreshAsync(context.RequestAborted);
        return issued is null
            ? ApiReply.Error(ApiError.NotFound("active key", id))
            : ApiReply.Json(KeyReply.Of(issued.Key, issued.Secret, clock.GetUtcNow()), ApiJson.Default.KeyReply);
    }
}
