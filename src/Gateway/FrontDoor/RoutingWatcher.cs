using Gateway.Domain.Storage;

namespace Gateway.FrontDoor;

/// <summary>
/// Keeps the routing snapshot and the workers' adapters in step with the store, also when another process changes it. A
/// burst of changes costs one refresh per change that is read, and a failing store leaves the last snapshot in place.
/// </summary>
public sealed partial class RoutingWatcher(
    IDocumentStore documents, RoutingState routing, WorkerAdapters adapters, TimeProvider clock, ILogger<RoutingWatcher> logger) : BackgroundService
{
    private static readonly TimeSpan RetryInterval = TimeSpan.FromSeconds(1);

    /// <inheritdoc/>
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        while (!stoppingToken.IsCancellationRequested)
        {
            try
            {
                await foreach (var change in documents.WatchAsync(stoppingToken))
                {
                    if (change.Collection is "" or Collections.Deployments or Collections.Rollouts or Collections.Adapters)
                    {
                        var snapshot = await routing.RefreshAsync(stoppingToken);
                        await adapters.EnsureAsync(snapshot, stoppingToken);
                    }
                }
            }
            catch (IOException failure)
            {
                LogStoreFailed(failure.Message);
            }
            catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
            {
                return;
            }

            await Task.Delay(RetryInterval, clock, stoppingToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    [LoggerMessage(LogLevel.Warning, "The store cannot be watched ({Failure}); requests follow the last known deployments.")]
    private partial void LogStoreFailed(string failure);
}
