using System.Threading.Channels;
using Gateway.Domain.Interactions;
using Gateway.Domain.Storage;
using Gateway.Storage;

namespace Gateway.FrontDoor;

/// <summary>
/// Hands interactions to the log, which writes them off the request path. A record that the log does not accept is kept and
/// tried again, before those that come after it; until then <see cref="Healthy"/> is false and the front door takes no new requests, so nothing
/// that was served goes unrecorded. Thread-safe.
/// </summary>
public sealed partial class InteractionRecorder(IInteractionLog log, TimeProvider clock, ILogger<InteractionRecorder> logger) : BackgroundService
{
    private const int Capacity = 4096;
    private static readonly TimeSpan RetryInterval = TimeSpan.FromMilliseconds(250);
    private static readonly TimeSpan FlushLimit = TimeSpan.FromSeconds(30);
    private readonly Channel<Entry> _entries =
        Channel.CreateBounded<Entry>(new BoundedChannelOptions(Capacity) { SingleReader = true });

    private volatile bool _healthy = true;

    /// <summary>False while the log accepts no records.</summary>
    public bool Healthy => _healthy;

    /// <summary>Records that the log has not accepted yet.</summary>
    public int Waiting => _entries.Reader.Count;

    /// <summary>Hands over a record; waits only while the log's queue is full.</summary>
    public ValueTask RecordAsync(Interaction interaction)
    {
        if (!_healthy || _entries.Reader.Count > 0)
        {
            return KeepAsync(interaction);
        }

        try
        {
            var accepted = log.AppendAsync(interaction, CancellationToken.None);
            return accepted.IsCompletedSuccessfully ? ValueTask.CompletedTask : OrKeepAsync(accepted, interaction);
        }
        catch (IOException)
        {
            return KeepAsync(interaction);
        }
    }

    /// <summary>Completes when everything recorded before the call is durable and visible.</summary>
    /// <exception cref="StoreUnavailableException">The log accepts no records now.</exception>
    public async Task FlushAsync(CancellationToken cancellationToken)
    {
        if (!_healthy)
        {
            throw new StoreUnavailableException("interactions cannot be recorded now: free or repair the disk");
        }

        var reached = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await _entries.Writer.WriteAsync(new(null, reached), cancellationToken);
        await reached.Task.WaitAsync(cancellationToken);
        await log.FlushAsync(cancellationToken);
    }

    /// <inheritdoc/>
    public override async Task StopAsync(CancellationToken cancellationToken)
    {
        // The listener has stopped before, so no more records come; what is queued is appended before the base stops the loop.
        // Replies that were cut at the drain limit have used up the host's patience, and their records are kept all the same.
        _entries.Writer.TryComplete();
        if (ExecuteTask is { } loop)
        {
            await Task.WhenAny(loop, Task.Delay(FlushLimit, CancellationToken.None));
        }

        await base.StopAsync(cancellationToken);
    }

    /// <inheritdoc/>
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        try
        {
            await foreach (var entry in _entries.Reader.ReadAllAsync(stoppingToken))
            {
                if (entry.Interaction is { } interaction)
                {
                    await AppendAsync(interaction, stoppingToken);
                }

                entry.Reached?.TrySetResult();
            }
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            if (_entries.Reader.Count is > 0 and var lost)
            {
                LogLost(lost);
            }
        }
    }

    private ValueTask KeepAsync(Interaction interaction) => _entries.Writer.WriteAsync(new(interaction, null), CancellationToken.None);

    private async ValueTask OrKeepAsync(ValueTask accepted, Interaction interaction)
    {
        try
        {
            await accepted;
        }
        catch (IOException)
        {
            await KeepAsync(interaction);
        }
    }

    private async Task AppendAsync(Interaction interaction, CancellationToken stoppingToken)
    {
        while (true)
        {
            try
            {
                await log.AppendAsync(interaction, stoppingToken);
                if (!_healthy)
                {
                    _healthy = true;
                    LogRecovered();
                }

                return;
            }
            catch (IOException failure)
            {
                if (_healthy)
                {
                    _healthy = false;
                    LogFailed(failure.Message);
                }
            }

            await Task.Delay(RetryInterval, clock, stoppingToken);
        }
    }

    [LoggerMessage(LogLevel.Error, "Interactions cannot be recorded ({Failure}); chat requests get 503 until they can.")]
    private partial void LogFailed(string failure);

    [LoggerMessage(LogLevel.Information, "Interactions are recorded again.")]
    private partial void LogRecovered();

    [LoggerMessage(LogLevel.Error, "{Count} interactions could not be recorded before the process stopped.")]
    private partial void LogLost(int count);

    private readonly record struct Entry(Interaction? Interaction, TaskCompletionSource? Reached);
}
