using Gateway.FrontDoor;

namespace Gateway.Api;

/// <summary>State of the process for orchestrators; <see cref="Reasons"/> say what is not as it should be, also while it is ready.</summary>
internal sealed record HealthReply(string Status, IReadOnlyList<string> Reasons, int HealthyWorkers, int Workers, string Store);

/// <summary>A worker as this process sees it.</summary>
internal sealed record WorkerReport(string Name, string Address, bool Healthy, string? BaseModel, int InFlight, IReadOnlyList<string> Adapters);

/// <summary>Liveness and readiness.</summary>
internal static class HealthEndpoints
{
    /// <summary>The route table.</summary>
    public static void MapHealth(this IEndpointRouteBuilder routes)
    {
        routes.MapGet("/health/live", () => Results.Text("ok"));
        routes.MapGet("/health/ready", Ready);
        routes.MapGet("/health", Ready);
        routes.MapGet("/health/workers", Workers);
    }

    // The store's state is a detail: a replica that cannot record refuses chat itself, and taking all replicas out of
    // rotation would also take away the calls that still work.
    private static IResult Ready(WorkerPool pool, InteractionRecorder recorder, IHostApplicationLifetime lifetime)
    {
        var healthy = pool.All.Count(worker => worker.Healthy);
        var isStopping = lifetime.ApplicationStopping.IsCancellationRequested;
        var reasons = pool.All.Where(worker => !worker.Healthy).Select(worker => $"worker {worker.Name} does not answer its health check").ToList();
        if (!recorder.Healthy)
        {
            reasons.Add("interactions cannot be recorded: free the disk or repair the store; chat answers 503 until then");
        }

        if (isStopping)
        {
            reasons.Add("the process is stopping: replies under way are finished, new requests belong elsewhere");
        }

        var status = isStopping ? "stopping" : healthy == 0 ? "no healthy worker" : "ready";
        return ApiReply.Json(
            new(status, reasons, healthy, pool.All.Count, recorder.Healthy ? "ok" : "not writable"), ApiJson.Default.HealthReply,
            status == "ready" ? StatusCodes.Status200OK : StatusCodes.Status503ServiceUnavailable);
    }

    private static IResult Workers(WorkerPool pool) => ApiReply.List(
        pool.All.Select(worker => new WorkerReport(
            worker.Name, worker.Address.GetLeftPart(UriPartial.Authority), worker.Healthy, worker.BaseModel, worker.InFlight,
            [.. worker.LoadedModels.Keys.Order(StringComparer.Ordinal)])),
        ApiJson.Default.WorkerReport);
}
