using System.Threading.Channels;
using Gateway.Domain.Storage;

namespace Gateway.FrontDoor;

/// <summary>
/// Keeps the routing snapshot and the workers' adapters in step with the store, also when another process changes it. A
/// failing store leaves the last snapshot in place. Workers that take their time with an adapter do not hold up the next change.
/// </summary>
public sealed partial class RoutingWatcher(
    IDocumentStore documents, RoutingState routing, WorkerAdapters adapters, WorkerRegistry workers, TimeProvider clock, ILogger<RoutingWatcher> logger) : BackgroundService
{
    private static readonly TimeSpan RetryInterval = TimeSpan.FromSeconds(1);

    // One signal is enough, however many changes it stands for: the newest snapshot holds them all.
    private readonly Channel<bool> _changed = Channel.CreateBounded<bool>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite });

    /// <inheritdoc/>
    protected override Task ExecuteAsync(CancellationToken stoppingToken) => Task.WhenAll(WatchAsync(stoppingToken), LoadAsync(stoppingToken));

    private async Task LoadAsync(CancellationToken stoppingToken)
    {
        try
        {
            await foreach (var _ in _changed.Reader.ReadAllAsync(stoppingToken))
            {
                await adapters.EnsureAsync(routing.Current, stoppingToken);
            }
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // The host is stopping.
        }
    }

    private async Task WatchAsync(CancellationToken stoppingToken)
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

    private async Task FollowAsync(CancellationToken stoppingToken)
    {
        await routing.RefreshAsync(stoppingToken);
        _changed.Writer.TryWrite(true);
    }

    [LoggerMessage(LogLevel.Warning, "The store cannot be watched ({Failure}); requests follow the last known deployments.")]
    private partial void LogStoreFailed(string failure);
}
