using System.Threading.Channels;

namespace Gateway.Storage;

/// <summary>
/// The way of an append: a bounded queue and one writer that writes whatever has gathered while the write before was under
/// way (group commit). A failed group is kept and tried again until it succeeds, so an accepted record is never dropped
/// while the process lives; meanwhile appenders and flushers get the failure. Thread-safe.
/// </summary>
internal sealed class AppendQueue<T> : IAsyncDisposable
{
    /// <summary>Small, so that an accepted record is durable after at most two groups; beyond it callers wait.</summary>
    private const int Capacity = 256;
    private static readonly TimeSpan RetryInterval = TimeSpan.FromMilliseconds(250);

    private readonly Channel<Item> channel =
        Channel.CreateBounded<Item>(new BoundedChannelOptions(Capacity) { SingleReader = true });

    private readonly Func<IReadOnlyList<T>, Task> write;
    private readonly TimeProvider clock;
    private readonly ILogger logger;
    private readonly CancellationTokenSource stopping = new();
    private readonly Task loop;
    private volatile Health health = new();

    /// <param name="write">Makes a group durable and visible, in order; a repeated call with the same group must be harmless.</param>
    /// <param name="clock">Paces retries.</param>
    /// <param name="logger">Gets failures and recoveries.</param>
    public AppendQueue(Func<IReadOnlyList<T>, Task> write, TimeProvider clock, ILogger logger)
    {
        this.write = write;
        this.clock = clock;
        this.logger = logger;
        loop = Task.Run(RunAsync);
    }

    /// <summary>Completes when the record is accepted; waits while the queue is full; throws while writes fail.</summary>
    public ValueTask AppendAsync(T record, CancellationToken cancellationToken)
    {
        var now = health;
        if (now.Failure is null && channel.Writer.TryWrite(new Item(record, null, clock.GetTimestamp())))
        {
            return ValueTask.CompletedTask;
        }

        return new ValueTask(UnlessFailingAsync(
            now, token => channel.Writer.WriteAsync(new Item(record, null, clock.GetTimestamp()), token).AsTask(), cancellationToken));
    }

    /// <summary>Completes when everything accepted before the call is durable; throws when it cannot be made so now.</summary>
    public async ValueTask FlushAsync(CancellationToken cancellationToken)
    {
        var flushed = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await UnlessFailingAsync(
            health,
            async token =>
            {
                await channel.Writer.WriteAsync(new Item(default, flushed, 0), token).ConfigureAwait(false);
                await flushed.Task.WaitAsync(token).ConfigureAwait(false);
            },
            cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Writes what is queued and stops; while writes fail it tries once more and logs what is lost.</summary>
    public async ValueTask DisposeAsync()
    {
        channel.Writer.TryComplete();
        await stopping.CancelAsync().ConfigureAwait(false);
        await loop.ConfigureAwait(false);
        stopping.Dispose();
    }

    private static async Task UnlessFailingAsync(Health now, Func<CancellationToken, Task> act, CancellationToken cancellationToken)
    {
        if (now.Failure is { } failure)
        {
            throw new StoreUnavailableException(failure.Message, failure);
        }

        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, now.Failed.Token);
        try
        {
            await act(either.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (now.Failure is not null && !cancellationToken.IsCancellationRequested)
        {
            throw new StoreUnavailableException(now.Failure.Message, now.Failure);
        }
        catch (ChannelClosedException)
        {
            throw new ObjectDisposedException(nameof(AppendQueue<>), "The store is closed: the process is stopping.");
        }
    }

    private async Task RunAsync()
    {
        var records = new List<T>();
        var flushes = new List<TaskCompletionSource>();
        while (await channel.Reader.WaitToReadAsync().ConfigureAwait(false))
        {
            var oldest = 0L;
            while (records.Count < Capacity && channel.Reader.TryRead(out var item))
            {
                if (item.Flushed is { } flushed)
                {
                    flushes.Add(flushed);
                }
                else
                {
                    oldest = records.Count == 0 ? item.Accepted : oldest;
                    records.Add(item.Record!);
                }
            }

            if (!await WriteUntilDoneAsync(records).ConfigureAwait(false))
            {
                return;
            }

            if (records.Count > 0)
            {
                StorageMetrics.AppendDurable(clock.GetElapsedTime(oldest));
            }

            flushes.ForEach(flushed => flushed.TrySetResult());
            records.Clear();
            flushes.Clear();
        }
    }

    private async Task<bool> WriteUntilDoneAsync(List<T> records)
    {
        if (records.Count == 0)
        {
            return true;
        }

        while (true)
        {
            try
            {
                await write(records).ConfigureAwait(false);
                if (health.Failure is not null)
                {
                    logger.LogInformation("The interaction log accepts records again.");
                    health = new Health();
                }

                return true;
            }
            catch (Exception exception)
            {
                await FailAsync(exception).ConfigureAwait(false);
            }

            if (stopping.IsCancellationRequested)
            {
                logger.LogError(
                    "{Records} interactions could not be written before the process stopped: {Failure}",
                    records.Count + channel.Reader.Count, health.Failure!.Message);
                return false;
            }

            await Task.Delay(RetryInterval, clock, stopping.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private async Task FailAsync(Exception exception)
    {
        var now = health;
        if (now.Failure is not null)
        {
            return;
        }

        logger.LogError(exception, "The interaction log cannot be written; trying again every {Interval} ms.", RetryInterval.TotalMilliseconds);
        now.Failure = exception as StoreUnavailableException
            ?? new StoreUnavailableException($"the interaction log cannot be written ({exception.Message}): free or repair the store, then try again", exception);
        await now.Failed.CancelAsync().ConfigureAwait(false);
    }

    private readonly record struct Item(T? Record, TaskCompletionSource? Flushed, long Accepted);

    /// <summary>One stretch of working writes, ended by <see cref="Failure"/>; the failure is set before the token fires.</summary>
    private sealed class Health
    {
        public CancellationTokenSource Failed { get; } = new();

        public volatile StoreUnavailableException? Failure;
    }
}
