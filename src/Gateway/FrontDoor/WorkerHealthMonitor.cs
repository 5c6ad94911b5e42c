namespace Gateway.FrontDoor;

/// <summary>
/// Probes every worker each second. A worker that comes (back) up gets the adapters it must have before it takes traffic,
/// because it may have restarted without them.
/// </summary>
public sealed partial class WorkerHealthMonitor(
    WorkerPool pool, WorkerClient client, WorkerAdapters adapters, RoutingState routing, TimeProvider clock, ILogger<WorkerHealthMonitor> logger)
    : BackgroundService
{
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(1);

    /// <summary>Probes every worker once.</summary>
    public Task ProbeAllAsync(CancellationToken cancellationToken) =>
        Task.WhenAll(pool.All.Select(worker => ProbeAsync(worker, cancellationToken)));

    /// <inheritdoc/>
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(Interval, clock);
        try
        {
            do
            {
                await ProbeAllAsync(stoppingToken);
            }
            while (await timer.WaitForNextTickAsync(stoppingToken));
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // The host is stopping.
        }
    }

    private async Task ProbeAsync(WorkerState worker, CancellationToken cancellationToken)
    {
        var answers = await client.IsHealthyAsync(worker, cancellationToken);
        if (answers == worker.Healthy)
        {
            return;
        }

        if (answers)
        {
            worker.BaseModel = await client.BaseModelAsync(worker, cancellationToken);
            if (worker.BaseModel is null)
            {
                LogNoBaseModel(worker.Name);
                return;
            }

            worker.LoadedModels.Clear();
            await adapters.EnsureOnAsync(worker, routing.Current, cancellationToken);
        }

        worker.Healthy = answers;
        LogHealth(worker.Name, answers ? "up" : "down");
    }

    [LoggerMessage(LogLevel.Information, "Worker {Name} is {Health}.")]
    private partial void LogHealth(string name, string health);

    [LoggerMessage(LogLevel.Warning, "Worker {Name} answers but lists no base model; it gets no traffic.")]
    private partial void LogNoBaseModel(string name);
}
