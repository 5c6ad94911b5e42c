using Gateway.Domain.Interactions;

namespace Gateway.Storage.Redis;

/// <summary>
/// Sends groups of interactions to Redis, or to a local file while Redis does not answer; from the file they follow in order
/// as soon as it does, before anything newer. A group counts as written when either has it. Thread-safe.
/// </summary>
internal sealed class SpillingWriter : IAsyncDisposable
{
    private const int ReplayRecords = 128;
    private static readonly TimeSpan ProbeInterval = TimeSpan.FromMilliseconds(250);

    private readonly Func<IReadOnlyList<Interaction>, TimeSpan, Task> send;
    private readonly SpillFile spill;
    private readonly TimeSpan patience;
    private readonly TimeProvider clock;
    private readonly ILogger logger;
    private readonly SemaphoreSlim turn = new(1);
    private readonly CancellationTokenSource stopping = new();
    private readonly Task replaying;

    /// <param name="send">Sends a group in order; gives up after the time given.</param>
    /// <param name="folder">Where the file lies.</param>
    /// <param name="patience">How long a group waits for Redis before it goes to the file.</param>
    /// <param name="clock">Paces the attempts to replay.</param>
    /// <param name="logger">Gets the beginning and the end of an outage.</param>
    public SpillingWriter(
        Func<IReadOnlyList<Interaction>, TimeSpan, Task> send, string folder, TimeSpan patience, TimeProvider clock, ILogger logger)
    {
        this.send = send;
        this.patience = patience;
        this.clock = clock;
        this.logger = logger;
        spill = SpillFile.Open(folder, clock, logger);
        replaying = Task.Run(ReplayLoopAsync);
    }

    /// <summary>Writes a group; throws only when neither Redis nor the file takes it.</summary>
    public async Task WriteAsync(IReadOnlyList<Interaction> group)
    {
        await turn.WaitAsync().ConfigureAwait(false);
        try
        {
            if (spill.Count == 0)
            {
                try
                {
                    await send(group, patience).ConfigureAwait(false);
                    return;
                }
                catch (StoreUnavailableException failure)
                {
                    logger.LogWarning("Interactions go to a local file until Redis answers again ({Failure}).", failure.Message);
                }
            }

            spill.Add(group);
            StorageMetrics.Spilled(group.Count);
        }
        finally
        {
            turn.Release();
        }
    }

    /// <summary>Sends what is in the file now.</summary>
    /// <exception cref="StoreUnavailableException">Redis does not take it.</exception>
    public async Task DrainAsync()
    {
        if (!await ReplayAsync().ConfigureAwait(false))
        {
            throw new StoreUnavailableException("interactions wait in a local file until Redis answers: try again then");
        }
    }

    /// <summary>Tries once more to send what is in the file; what is left stays there for the next start.</summary>
    public async ValueTask DisposeAsync()
    {
        await stopping.CancelAsync().ConfigureAwait(false);
        await replaying.ConfigureAwait(false);
        await ReplayAsync().ConfigureAwait(false);
        spill.Dispose();
        stopping.Dispose();
        turn.Dispose();
    }

    private async Task ReplayLoopAsync()
    {
        while (!stopping.IsCancellationRequested)
        {
            await ReplayAsync().ConfigureAwait(false);
            await Task.Delay(ProbeInterval, clock, stopping.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    /// <summary>Sends what is in the file; false when something is left.</summary>
    private async Task<bool> ReplayAsync()
    {
        for (var replayed = 0; ;)
        {
            await turn.WaitAsync().ConfigureAwait(false);
            try
            {
                if (spill.Count == 0)
                {
                    return true;
                }

                var oldest = spill.Peek(ReplayRecords);
                await send(oldest, TimeSpan.Zero).ConfigureAwait(false);
                spill.Remove(oldest.Count);
                replayed += oldest.Count;
                if (spill.Count == 0)
                {
                    logger.LogInformation("Redis has the {Count} interactions that had gone to a local file.", replayed);
                }
            }
            catch (IOException)
            {
                // Not yet; whatever is in the file stays there.
                return false;
            }
            finally
            {
                turn.Release();
            }
        }
    }
}
