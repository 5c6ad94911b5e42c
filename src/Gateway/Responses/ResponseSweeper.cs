using Gateway.Storage;

namespace Gateway.Responses;

/// <summary>Removes responses whose time is over. Several processes on one store may do so at once.</summary>
internal sealed partial class ResponseSweeper(StoredResponses stored, ResponseOptions options, TimeProvider clock, ILogger<ResponseSweeper> logger) : BackgroundService
{
    /// <inheritdoc/>
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(options.SweepInterval, clock);
        try
        {
            while (await timer.WaitForNextTickAsync(stoppingToken))
            {
                try
                {
                    if (await stored.ExpireAsync(stoppingToken) is > 0 and var removed)
                    {
                        LogExpired(removed);
                    }
                }
                catch (StoreUnavailableException failure)
                {
                    LogFailed(failure.Message);
                }
            }
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // The host is stopping.
        }
    }

    [LoggerMessage(LogLevel.Information, "{Count} responses were past their time and have been removed.")]
    private partial void LogExpired(int count);

    [LoggerMessage(LogLevel.Warning, "Expired responses could not be removed ({Failure}); tried again later.")]
    private partial void LogFailed(string failure);
}
