using System.Security.Cryptography;
using System.Text;
using Gateway.Api.Wire;

namespace Gateway.Worker;

/// <summary>The routes of a worker: vLLM's OpenAI dialect over the engine.</summary>
public static class WorkerEndpoints
{
    /// <summary>Adds the routes; the runtime stays the caller's.</summary>
    public static void Map(IEndpointRouteBuilder routes, WorkerRuntime runtime)
    {
        // Health stays open, so that a probe needs no secret.
        routes.MapGet("/health", () => Results.Ok());

        var expected = runtime.Options.Token is { } token ? SHA256.HashData(Encoding.UTF8.GetBytes($"Bearer {token}")) : null;
        var guarded = routes.MapGroup("").AddEndpointFilter(async (context, next) => IsAllowed(context.HttpContext.Request, expected)
            ? await next(context)
            : new ApiErrorResult(ApiError.InvalidApiKey()));
        guarded.AddEndpointFilter(AnswerDefectsAsync);

        // The return types are written out, or the results would be taken for those of a plain request delegate and dropped.
        guarded.MapPost("/v1/chat/completions", Task<IResult> (HttpContext context) => new ChatEndpoint(runtime).AnswerAsync(context));
        guarded.MapGet("/v1/models", () => ModelList.Describe(runtime));
        guarded.MapGet("/metrics", () => WorkerMetrics.Describe(runtime));
        guarded.MapGet("/version", () => ModelList.DescribeVersion(runtime));
        guarded.MapPost("/v1/load_lora_adapter", Task<IResult> (HttpContext context) => new AdapterEndpoints(runtime).LoadAsync(context));
        guarded.MapPost("/v1/unload_lora_adapter", Task<IResult> (HttpContext context) => new AdapterEndpoints(runtime).UnloadAsync(context));
        guarded.MapGet("/v1/lora_adapters", () => new AdapterEndpoints(runtime).List());
    }

    // Hashes have one length, so the comparison tells nobody how long the token is.
    private static bool IsAllowed(HttpRequest request, byte[]? expected) =>
        expected is null || CryptographicOperations.FixedTimeEquals(
            SHA256.HashData(Encoding.UTF8.GetBytes(request.Headers.Authorization.ToString())), expected);

    /// <summary>An unexpected exception becomes a 500 of the right shape, unless the reply has begun or the caller has gone.</summary>
    private static async ValueTask<object?> AnswerDefectsAsync(EndpointFilterInvocationContext context, EndpointFilterDelegate next)
    {
        var http = context.HttpContext;
        try
        {
            return await next(context);
        }
        catch (OperationCanceledException) when (http.RequestAborted.IsCancellationRequested)
        {
            return Results.Empty;
        }
        catch (Exception failure) when (!http.Response.HasStarted)
        {
            http.RequestServices.GetRequiredService<ILoggerFactory>().CreateLogger(typeof(WorkerEndpoints))
                .LogError(failure, "{Method} {Path} failed", http.Request.Method, http.Request.Path);
            return new ApiErrorResult(ApiError.InternalError());
        }
    }
}
