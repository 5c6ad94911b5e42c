using Gateway.FrontDoor;
using Gateway.Hosting;

namespace Gateway.Api;

/// <summary>State of the process for orchestrators.</summary>
internal sealed record HealthReply(string Status, int HealthyWorkers, int Workers, string Store);

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
        var status = drain.IsDraining ? "stopping" : healthy == 0 ? "no healthy worker" : "ready";
        return ApiReply.Json(
            new(status, healthy, pool.All.Count, recorder.Healthy ? "ok" : "not writable"), ApiJson.Default.HealthReply,
            status == "ready" ? StatusCodes.Status200OK : StatusCodes.Status503ServiceUnavailable);
    }
}
