using Gateway.Domain.Storage;

namespace Gateway.Security;

/// <summary>
/// Keeps the keys in step with the store, so that a revocation by any process is in force here as soon as the store tells,
/// and at the latest with the next of the refreshes each second that follow a store that could not be watched.
/// </summary>
public sealed partial class KeyWatcher(IDocumentStore documents, KeyRing keys, TimeProvider clock, ILogger<KeyWatcher> logger) : BackgroundService
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
                await keys.RefreshAsync(stoppingToken);
                await foreach (var change in changes)
                {
                    if (change.Collection is "" or Collections.Keys)
                    {
                        await keys.RefreshAsync(stoppingToken);
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

    [LoggerMessage(LogLevel.Warning, "The keys cannot be read from the store ({Failure}); the last known ones stay in force.")]
    private partial void LogStoreFailed(string failure);
}
