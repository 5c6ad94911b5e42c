using Gateway.Domain.Interactions;
using Gateway.Domain.Storage;

namespace Gateway.Records;

/// <summary>
/// Erases interactions whose time is over, with their feedback. Several processes on one store may do so at once: what one
/// has erased, the others pass over.
/// </summary>
internal sealed partial class RetentionWorker(
    IInteractionLog log, RecordErasure erasure, RecordOptions options, TimeProvider clock, ILogger<RetentionWorker> logger) : BackgroundService
{
    private const int BatchSize = 500;

    /// <summary>One pass over everything that is old enough for the shortest retention; returns how many it erased.</summary>
    public async Task<int> ExpireAsync(CancellationToken cancellationToken)
    {
        if (Shortest() is not { } shortest)
        {
            return 0;
        }

        var now = clock.GetUtcNow();
        var expired = new List<Interaction>();
        var (erased, feedback) = (0, 0);
        await foreach (var (_, interaction) in log.ReadAsync(0, cancellationToken))
        {
            // Records stand in the order in which replies ended, so nothing behind this one is older by more than a reply lasts.
            if (interaction.CreatedAt > now - shortest)
            {
                break;
            }

            if (options.RetentionFor(interaction.Deployment) is { } kept && interaction.CreatedAt <= now - kept)
            {
                expired.Add(interaction);
            }

            if (expired.Count == BatchSize)
            {
                await EraseAsync();
            }
        }

        await EraseAsync();
        if (feedback > 0)
        {
            await erasure.CompactAsync(cancellationToken);
        }

        return erased;

        async Task EraseAsync()
        {
            var done = await erasure.EraseAsync(expired, cancellationToken);
            erased += done.Interactions;
            feedback += done.Feedback;
            expired.Clear();
        }
    }

    /// <inheritdoc/>
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        if (Shortest() is null)
        {
            return;
        }

        using var timer = new PeriodicTimer(options.RetentionInterval, clock);
        try
        {
            do
            {
                try
                {
                    if (await ExpireAsync(stoppingToken) is > 0 and var erased)
                    {
                        LogExpired(erased);
                    }
                }
                catch (IOException failure)
                {
                    LogFailed(failure.Message);
                }
            }
            while (await timer.WaitForNextTickAsync(stoppingToken));
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // The host is stopping.
        }
    }

    private TimeSpan? Shortest() => options.RetentionOf.Values.Cast<TimeSpan?>().Append(options.Retention).Min();

    [LoggerMessage(LogLevel.Information, "{Count} interactions were past their retention and have been erased.")]
    private partial void LogExpired(int count);

    [LoggerMessage(LogLevel.Warning, "Expired interactions could not be erased ({Failure}); tried again later.")]
    private partial void LogFailed(string failure);
}
