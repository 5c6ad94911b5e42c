using Gateway.Hosting;

namespace Gateway.FrontDoor;

/// <summary>
/// Probes every worker each second, each on its own, so that a slow one delays no other. A worker that comes (back) up gets the
/// adapters it must have before it takes traffic, because it may have restarted without them; one that serves another base
/// model gets none.
/// </summary>
public sealed partial class WorkerHealthMonitor(
    WorkerPool pool, WorkerClient client, WorkerAdapters adapters, RoutingState routing, BaseModel model, TimeProvider clock,
    ILogger<WorkerHealthMonitor> logger) : BackgroundService
{
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(1);

    /// <summary>Probes every worker once.</summary>
    public Task ProbeAllAsync(CancellationToken cancellationToken) =>
        Task.WhenAll(pool.All.Select(worker => ProbeAsync(worker, cancellationToken)));

    /// <summary>Probes one worker, unless it is being probed.</summary>
    public async Task ProbeAsync(WorkerState worker, CancellationToken cancellationToken)
    {
        if (!await worker.Probing.WaitAsync(TimeSpan.Zero, CancellationToken.None))
        {
            return;
        }

        try
        {
            await ProbeAloneAsync(worker, cancellationToken);
        }
        finally
        {
            worker.Probing.Release();
        }
    }

    /// <inheritdoc/>
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(Interval, clock);
        try
        {
            do
            {
                foreach (var worker in pool.All)
                {
                    // Ends by itself: every step has a limit of its own.
                    _ = ProbeQuietlyAsync(worker, stoppingToken);
                }
            }
            while (await timer.WaitForNextTickAsync(stoppingToken));
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // The host is stopping.
        }
    }

    private async Task ProbeQuietlyAsync(WorkerState worker, CancellationToken stoppingToken)
    {
        try
        {
            await ProbeAsync(worker, stoppingToken);
        }
        catch (Exception) when (stoppingToken.IsCancellationRequested)
        {
            // The host is stopping, and what the probe needs may be gone.
        }
        catch (Exception failure)
        {
            LogProbeFailed(failure, worker.Name);
        }
    }

    private async Task ProbeAloneAsync(WorkerState worker, CancellationToken cancellationToken)
    {
        var answers = await client.IsHealthyAsync(worker, cancellationToken);
        if (answers == worker.Healthy)
        {
            return;
        }

        if (answers)
        {
            var facts = await client.FactsAsync(worker, cancellationToken);
            worker.Facts = facts;
            var problem = ProblemOf(facts);
            if (problem != worker.Problem && problem is not null)
            {
                LogUnfit(worker.Name, problem);
            }

            worker.Problem = problem;
            if (problem is not null)
            {
                return;
            }

            await adapters.AdoptAsync(worker, facts!, routing.Current, cancellationToken);
        }

        worker.Healthy = answers;
        LogHealth(worker.Name, answers ? "up" : "down");
    }

    // vLLM tells neither; what it serves is its operator's word.
    private string? ProblemOf(WorkerFacts? facts) =>
        facts is null ? "it lists no base model"
        : facts.Fingerprint is { } fingerprint && fingerprint != model.Fingerprint ? "it serves another base model"
        : facts.Weights is { } weights && weights != model.WeightFormat ? $"it serves {weights} weights, not {model.WeightFormat}"
        : null;

    [LoggerMessage(LogLevel.Information, "Worker {Name} is {Health}.")]
    private partial void LogHealth(string name, string health);

    [LoggerMessage(LogLevel.Warning, "Worker {Name} gets no traffic: {Problem}.")]
    private partial void LogUnfit(string name, string problem);

    [LoggerMessage(LogLevel.Error, "Worker {Name} could not be probed; it is tried again.")]
    private partial void LogProbeFailed(Exception failure, string name);
}
