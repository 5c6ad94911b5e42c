using Gateway.FrontDoor;
using Gateway.Hosting;

namespace Gateway.Api;

/// <summary>State of the process for orchestrators; <see cref="Reasons"/> say what is not as it should be, also while it is ready.</summary>
internal sealed record HealthReply(string Status, IReadOnlyList<string> Reasons, int HealthyWorkers, int Workers, string Store);

/// <summary>Liveness and readiness.</summary>
internal static class HealthEndpoints
{
    /// <summary>The route table.</summary>
    public static void MapHealth(this IEndpointRouteBuilder routes)
    {
        routes.MapGet("/health/live", () => Results.Text("ok"));
        routes.MapGet("/health/ready", Ready);
        routes.MapGet("/health", Ready);
    }

    // The store's state is a detail: a replica that cannot record refuses chat itself, and taking all replicas out of
    // rotation would also take away the calls that still work.
    private static IResult Ready(WorkerPool pool, InteractionRecorder recorder, DrainGate drain)
    {
        var healthy = pool.All.Count(worker => worker.Available);
        var reasons = pool.All.Where(worker => !worker.Available).Select(worker => $"worker {worker.Name} takes no requests: it is draining or does not answer its health check").ToList();
        if (!recorder.Healthy)
        {
            reasons.Add("interactions cannot be recorded: free the disk or repair the store; chat answers 503 until then");
        }

        if (drain.IsDraining)
        {
            reasons.Add("the process is stopping: replies under way are finished, new requests belong elsewhere");
        }

        var status = drain.IsDraining ? "stopping" : healthy == 0 ? "no healthy worker" : "ready";
        return ApiReply.Json(
            new(status, reasons, healthy, pool.All.Count, recorder.Healthy ? "ok" : "not writable"), ApiJson.Default.HealthReply,
            status == "ready" ? StatusCodes.Status200OK : StatusCodes.Status503ServiceUnavailable);
    }
}
