using System.Text.Json;
using Gateway.Api.Wire;
using Gateway.Domain.Routing;
using Gateway.FrontDoor;

namespace Gateway.Api;

/// <summary>The workers: what they are doing, and operators' orders to add, drain and remove them.</summary>
internal static class WorkersEndpoints
{
    private const int MaximumNameLength = 128;

    /// <summary>The route table.</summary>
    public static void MapWorkers(this IEndpointRouteBuilder routes)
    {
        routes.MapGet("/v1/workers", List);
        routes.MapGet("/health/workers", List);
        routes.MapPost("/v1/workers", AddAsync);
        routes.MapGet("/v1/workers/{name}", Get);
        routes.MapPost("/v1/workers/{name}/drain", (string name, HttpContext context, WorkerRegistry workers, WorkerPool pool, TimeProvider clock) =>
            OrderAsync(name, context, pool, clock, (reason, token) => workers.DrainAsync(Callers.Name(name), true, context.Actor(), reason ?? "drained", token)));
        routes.MapPost("/v1/workers/{name}/resume", (string name, HttpContext context, WorkerRegistry workers, WorkerPool pool, TimeProvider clock) =>
            OrderAsync(name, context, pool, clock, (reason, token) => workers.DrainAsync(Callers.Name(name), false, context.Actor(), reason ?? "resumed", token)));
        routes.MapDelete("/v1/workers/{name}", (string name, string? reason, HttpContext context, WorkerRegistry workers, WorkerPool pool, TimeProvider clock) =>
            OrderAsync(name, context, pool, clock, (_, token) => workers.RemoveAsync(Callers.Name(name), context.Actor(), reason ?? "removed", token)));
    }

    /// <summary>Body of an addition; <see cref="AdapterRoot"/> is the folder under which a vLLM worker sees the gateway's adapters.</summary>
    internal sealed record AddWorker(string? Url, string? Name, string? AdapterRoot, string? Reason);

    /// <summary>Body of an order, all optional.</summary>
    internal sealed record OrderWorker(string? Reason);

    private static IResult List(WorkerPool pool, TimeProvider clock) => ApiReply.Bytes(StatusCodes.Status200OK, writer =>
    {
        writer.WriteStartObject();
        writer.WriteString("object", "list");
        writer.WriteStartArray("data");
        foreach (var worker in pool.All)
        {
            Write(writer, worker, pool, clock);
        }

        writer.WriteEndArray();
        writer.WriteBoolean("has_more", false);
        writer.WriteEndObject();
    });

    private static IResult Get(string name, WorkerPool pool, TimeProvider clock) =>
        pool.All.FirstOrDefault(worker => worker.Name == Callers.Name(name)) is { } found
            ? Reply(found, pool, clock)
            : ApiReply.Error(ApiError.NotFound("worker", Callers.Name(name)));

    // 201 with the worker as its first probe found it.
    private static async Task<IResult> AddAsync(
        HttpContext context, WorkerRegistry workers, WorkerHealthMonitor health, WorkerPool pool, TimeProvider clock)
    {
        var (body, error) = await ControlBody.ReadAsync(context.Request, ApiJson.Default.AddWorker);
        if (body is null)
        {
            return ApiReply.Error(error!);
        }

        if (body.Url is null)
        {
            return ApiReply.Error(ApiError.MissingParameter("url"));
        }

        if (!Uri.TryCreate(body.Url, UriKind.Absolute, out var url) || url.Scheme is not ("http" or "https") || url.UserInfo.Length > 0 || url.AbsolutePath != "/")
        {
            return ApiReply.Error(ApiError.InvalidValue("url", "expected http://HOST:PORT, without path or user."));
        }

        var name = body.Name ?? url.Authority;
        if (name.Length is 0 or > MaximumNameLength || name.Any(c => c is <= ' ' or > '~' or '/'))
        {
            return ApiReply.Error(ApiError.InvalidValue("name", $"expected 1 to {MaximumNameLength} visible ASCII characters without '/'."));
        }

        var added = await workers.AddAsync(name, url, body.AdapterRoot, context.Actor(), body.Reason ?? "added", context.RequestAborted);
        if (added.Worker is not { } worker)
        {
            return ApiReply.Error(added.Error!);
        }

        await health.ProbeAsync(worker, CancellationToken.None);
        return Reply(worker, pool, clock, StatusCodes.Status201Created);
    }

    private static async Task<IResult> OrderAsync(
        string name, HttpContext context, WorkerPool pool, TimeProvider clock, Func<string?, CancellationToken, Task<WorkerChange>> order)
    {
        var (body, error) = context.Request.ContentLength is > 0
            ? await ControlBody.ReadAsync(context.Request, ApiJson.Default.OrderWorker)
            : (new OrderWorker(null), null);
        if (body is null)
        {
            return ApiReply.Error(error!);
        }

        var change = await order(body.Reason, context.RequestAborted);
        return change.Error is { } refusal ? ApiReply.Error(refusal)
            : change.Worker is { } worker && pool.All.Contains(worker) ? Reply(worker, pool, clock)
            : ApiReply.Json(new(Callers.Name(name), "worker", true), ApiJson.Default.DeletedReply);
    }

    private static IResult Reply(WorkerState worker, WorkerPool pool, TimeProvider clock, int status = StatusCodes.Status200OK) =>
        ApiReply.Bytes(status, writer => Write(writer, worker, pool, clock));

    private static void Write(Utf8JsonWriter writer, WorkerState worker, WorkerPool pool, TimeProvider clock)
    {
        writer.WriteStartObject();
        writer.WriteString("name", worker.Name);
        writer.WriteString("object", "worker");
        writer.WriteString("url", worker.Address.AbsoluteUri);
        writer.WriteString("source", pool.Configured.Contains(worker) ? "start" : "store");
        writer.WriteString("state", worker.Draining ? "draining" : worker.Healthy ? "up" : worker.Problem is not null ? "unfit" : "down");
        if (worker.Problem is { } problem)
        {
            writer.WriteString("problem", problem);
        }

        writer.WriteString("breaker", worker.Breaker.StateAt(clock.GetUtcNow()) switch
        {
            BreakerState.Open => "open",
            BreakerState.HalfOpen => "half_open",
            _ => "closed",
        });
        writer.WriteNumber("in_flight", worker.InFlight);
        if (worker.Facts is { } facts)
        {
            writer.WriteString("dialect", facts.IsOurs ? "gateway" : "vllm");
            writer.WriteString("base_model", facts.BaseModel);
        }

        if (worker.AdapterRoot is { } root)
        {
            writer.WriteString("adapter_root", root);
        }

        writer.WriteStartArray("adapters");
        foreach (var model in worker.LoadedModels.Keys.Order(StringComparer.Ordinal))
        {
            writer.WriteStringValue(model);
        }

        writer.WriteEndArray();
        writer.WriteEndObject();
    }
}
