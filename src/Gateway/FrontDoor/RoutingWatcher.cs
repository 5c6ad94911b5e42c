using Gateway.Domain.Storage;

namespace Gateway.FrontDoor;

/// <summary>
/// Keeps the routing snapshot and the workers' adapters in step with the store, also when another process changes it. A
/// failing store leaves the last snapshot in place.
/// </summary>
public sealed partial class RoutingWatcher(
    IDocumentStore documents, RoutingState routing, WorkerAdapters adapters, WorkerRegistry workers, TimeProvider clock, ILogger<RoutingWatcher> logger) : BackgroundService
{
    private static readonly TimeSpan RetryInterval = TimeSpan.FromSeconds(1);

    /// <inheritdoc/>
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        while (!stoppingToken.IsCancellationRequested)
        {
            try
            {
                // Watching begins before the refresh, so that no change falls between the two.
                var changes = documents.WatchAsync(stoppingToken);
                await workers.RefreshAsync(stoppingToken);
                await FollowAsync(stoppingToken);
                await foreach (var change in changes)
                {
                    if (change.Collection is "" or Collections.Workers)
                    {
                        await workers.RefreshAsync(stoppingToken);
                    }

                    if (change.Collection is "" or Collections.Deployments or Collections.Rollouts or Collections.Adapters)
                    {
                        await FollowAsync(stoppingToken);
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

    private async Task FollowAsync(CancellationToken stoppingToken) =>
        await adapters.EnsureAsync(await routing.RefreshAsync(stoppingToken), stoppingToken);

    [LoggerMessage(LogLevel.Warning, "The store cannot be watched ({Failure}); requests follow the last known deployments.")]
    private partial void LogStoreFailed(string failure);
}
