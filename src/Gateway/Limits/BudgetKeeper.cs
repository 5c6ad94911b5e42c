using Gateway.Domain.Storage;

namespace Gateway.Limits;

/// <summary>
/// Keeps the use of budgets in the embedded store: written each second and when the process stops, so that a kill forgets at
/// most what was used in the second before it.
/// </summary>
internal sealed partial class BudgetKeeper(LocalLimitLedger ledger, IDocumentStore documents, TimeProvider clock, ILogger<BudgetKeeper> logger) : BackgroundService
{
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(1);

    /// <summary>Reads what was used before, and only then lets the start go on.</summary>
    public override async Task StartAsync(CancellationToken cancellationToken)
    {
        await ledger.LoadAsync(documents, cancellationToken);
        await base.StartAsync(cancellationToken);
    }

    /// <inheritdoc/>
    public override async Task StopAsync(CancellationToken cancellationToken)
    {
        await base.StopAsync(cancellationToken);
        await SaveAsync(cancellationToken);
    }

    /// <inheritdoc/>
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        while (!stoppingToken.IsCancellationRequested)
        {
            await Task.Delay(Interval, clock, stoppingToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            await SaveAsync(CancellationToken.None);
        }
    }

    private async Task SaveAsync(CancellationToken cancellationToken)
    {
        try
        {
            await ledger.SaveAsync(documents, cancellationToken);
        }
        catch (IOException failure)
        {
            LogNotSaved(failure.Message);
        }
    }

    [LoggerMessage(LogLevel.Warning, "The use of budgets could not be written ({Failure}); it is tried again each second.")]
    private partial void LogNotSaved(string failure);
}
