using Gateway.Api.Wire;
using Gateway.Domain.Keys;
using Gateway.Hosting;
using Gateway.Limits;
using Gateway.Telemetry;

namespace Gateway.Security;

/// <summary>
/// Lets a request through to its endpoint when its key may use it. Without keys it does nothing: the gateway then listens on
/// this machine only. Paths that do not exist need no key.
/// </summary>
internal sealed class KeyGate(RequestDelegate next, KeyRing keys, RequestLimiter limiter, ServeOptions options, TimeProvider clock)
{
    private const string Scheme = "Bearer ";

    /// <summary>Answers 401 or 403, or runs the endpoint with the caller in the request's features.</summary>
    public Task InvokeAsync(HttpContext context)
    {
        var current = keys.Current;
        if (!current.Required || context.GetEndpoint() is not { } endpoint)
        {
            return next(context);
        }

        var access = endpoint.Metadata.GetMetadata<RouteAccess>();
        if (access is { IsOpen: true })
        {
            return next(context);
        }

        if (access is { ForWorkers: true } && options.WorkerToken is { } token && BearerToken.IsOn(context.Request, token))
        {
            context.Features.Set(Caller.Worker);
            return next(context);
        }

        if (current.Authenticate(Presented(context.Request), clock.GetUtcNow()) is not { } caller)
        {
            Instruments.KeyRefused("unknown");
            context.Response.Headers.WWWAuthenticate = "Bearer";
            return new ApiErrorResult(ApiError.InvalidApiKey()).ExecuteAsync(context);
        }

        // An endpoint without a row is one that only says "wrong method"; it does nothing.
        if (access is not null && !caller.Has(access.Scopes))
        {
            Instruments.KeyRefused("scope");
            return new ApiErrorResult(ApiError.ScopeMissing(access.Scopes)).ExecuteAsync(context);
        }

        context.Features.Set(caller);

        // Replies count themselves, once it is known how long they may be.
        return caller.Limits is null || access is null || access.Scopes == KeyScope.Inference ? next(context) : CountedAsync(context, caller);
    }

    private async Task CountedAsync(HttpContext context, Caller caller)
    {
        if (await limiter.CountAsync(context, caller) is { } error)
        {
            await new ApiErrorResult(error).ExecuteAsync(context);
            return;
        }

        await next(context);
    }

    private static ReadOnlySpan<char> Presented(HttpRequest request)
    {
        var header = request.Headers.Authorization.ToString().AsSpan();
        return header.StartsWith(Scheme, StringComparison.OrdinalIgnoreCase) ? header[Scheme.Length..].Trim() : default;
    }
}
