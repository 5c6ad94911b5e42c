using System.Diagnostics;
using Gateway.FrontDoor;
using Gateway.Telemetry;

namespace Gateway.Api;

/// <summary>The front door's metrics in the Prometheus text format.</summary>
internal static class MetricsEndpoints
{
    /// <summary>The route table.</summary>
    public static void MapMetrics(this IEndpointRouteBuilder routes) => routes.MapGet("/metrics", Describe);

    private static IResult Describe(MetricCollector collector, WorkerPool pool, RoutingState routing, InteractionRecorder recorder)
    {
        var text = new PrometheusText();
        text.Families(collector);

        text.Family("gateway_worker_up", "gauge", "1 while the worker answers its health check.");
        foreach (var worker in pool.All)
        {
            text.Value("gateway_worker_up", worker.Healthy ? 1 : 0, ("worker", worker.Name));
        }

        text.Family("gateway_worker_in_flight", "gauge", "Requests the worker is answering for this process.");
        foreach (var worker in pool.All)
        {
            text.Value("gateway_worker_in_flight", worker.InFlight, ("worker", worker.Name));
        }

        text.Single("gateway_records_writable", "gauge", "1 while interactions can be recorded.", recorder.Healthy ? 1 : 0);
        text.Single("gateway_records_waiting", "gauge", "Interactions on their way to the log.", recorder.Waiting);
        WriteRollouts(text, routing.Current);
        WriteProcess(text);
        return text.ToResult();
    }

    private static void WriteRollouts(PrometheusText text, RoutingSnapshot snapshot)
    {
        text.Family("gateway_rollout_share", "gauge", "Share of units in each arm of a running rollout.");
        var running = snapshot.Deployments.Values.Where(route => route.Rollout is not null).ToList();
        foreach (var route in running)
        {
            text.Value("gateway_rollout_share", route.Rollout!.Rollout.Share, ("model", route.Deployment.Name));
        }

        text.Family("gateway_rollout_pairs", "gauge", "Pairs that a running rollout has analysed.");
        foreach (var route in running)
        {
            text.Value("gateway_rollout_pairs", route.Rollout!.Rollout.Pairs, ("model", route.Deployment.Name));
        }
    }

    private static void WriteProcess(PrometheusText text)
    {
        using var process = Process.GetCurrentProcess();
        text.Single("process_resident_memory_bytes", "gauge", "Memory of the process.", process.WorkingSet64);
        text.Single("process_cpu_seconds_total", "counter", "Processor time of the process.", process.TotalProcessorTime.TotalSeconds);
        text.Single("dotnet_gc_heap_size_bytes", "gauge", "Managed memory.", GC.GetTotalMemory(forceFullCollection: false));
        text.Single("dotnet_gc_collections_total", "counter", "Garbage collections of all generations.", GC.CollectionCount(0));
        text.Single("dotnet_threadpool_queue_length", "gauge", "Work that waits for a thread.", ThreadPool.PendingWorkItemCount);
    }
}
