namespace Gateway.Storage;

/// <summary>
/// The way of an append: a bounded queue and one thread that writes what has gathered (group commit). A group gathers for
/// <see cref="Gathering"/> after its first record, because a write with its fsync costs as much as answering several
/// requests; a flush is not kept waiting. The thread is the queue's own, so that a slow disk never holds one that answers
/// requests. A failed group is kept and tried again until it succeeds, so an accepted record is never dropped while the
/// process lives; meanwhile appenders and flushers get the failure. Thread-safe.
/// </summary>
internal sealed class AppendQueue<T> : IAsyncDisposable
{
    /// <summary>Half a second of a busy gateway; beyond it callers wait.</summary>
    private const int Capacity = 4096;

    /// <summary>Far below the 10 ms within which an accepted record is promised to be durable.</summary>
    private static readonly TimeSpan Gathering = TimeSpan.FromMilliseconds(3);
    private static readonly TimeSpan RetryInterval = TimeSpan.FromMilliseconds(250);

    private readonly Func<IReadOnlyList<T>, Task> write;
    private readonly TimeProvider clock;
    private readonly ILogger logger;
    private readonly Lock gate = new();
    private readonly AutoResetEvent changed = new(false);
    private readonly TaskCompletionSource ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private List<T> gathered = [];
    private List<TaskCompletionSource> flushes = [];
    private TaskCompletionSource? room;
    private StoreUnavailableException? failure;
    private long oldest;
    private bool asleep;
    private bool closed;

    /// <param name="write">Makes a group durable and visible, in order; a repeated call with the same group must be harmless.</param>
    /// <param name="clock">Measures how long records wait.</param>
    /// <param name="logger">Gets failures and recoveries.</param>
    public AppendQueue(Func<IReadOnlyList<T>, Task> write, TimeProvider clock, ILogger logger)
    {
        this.write = write;
        this.clock = clock;
        this.logger = logger;
        new Thread(Run) { IsBackground = true, Name = "Interaction log" }.Start();
    }

    /// <summary>Completes when the record is accepted; waits while the queue is full; throws while writes fail.</summary>
    public ValueTask AppendAsync(T record, CancellationToken cancellationToken) =>
        TryAccept(record, out var full) ? ValueTask.CompletedTask : new ValueTask(WaitForRoomAsync(record, full!, cancellationToken));

    /// <summary>Completes when everything accepted before the call is durable; throws when it cannot be made so now.</summary>
    public ValueTask FlushAsync(CancellationToken cancellationToken)
    {
        var flushed = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        lock (gate)
        {
            ThrowIfUnusable();
            flushes.Add(flushed);
        }

        changed.Set();
        return new ValueTask(flushed.Task.WaitAsync(cancellationToken));
    }

    /// <summary>Writes what is queued and stops; while writes fail it tries once more and logs what is lost.</summary>
    public async ValueTask DisposeAsync()
    {
        lock (gate)
        {
            closed = true;
            room?.TrySetResult();
        }

        changed.Set();
        await ended.Task.ConfigureAwait(false);
        changed.Dispose();
    }

    private bool TryAccept(T record, out Task? full)
    {
        bool wake;
        lock (gate)
        {
            ThrowIfUnusable();
            if (gathered.Count >= Capacity)
            {
                room ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
                full = room.Task;
                return false;
            }

            oldest = gathered.Count == 0 ? clock.GetTimestamp() : oldest;
            gathered.Add(record);
            wake = asleep;
            asleep = false;
            full = null;
        }

        if (wake)
        {
            changed.Set();
        }

        return true;
    }

    private async Task WaitForRoomAsync(T record, Task? full, CancellationToken cancellationToken)
    {
        do
        {
            await full!.WaitAsync(cancellationToken).ConfigureAwait(false);
        }
        while (!TryAccept(record, out full));
    }

    private void ThrowIfUnusable()
    {
        if (failure is not null)
        {
            throw new StoreUnavailableException(failure.Message, failure);
        }

        ObjectDisposedException.ThrowIf(closed, this);
    }

    private void Run()
    {
        while (TakeGroup() is var (records, flushed, since))
        {
            if (!WriteUntilDone(records, flushed))
            {
                break;
            }

            if (records.Count > 0)
            {
                StorageMetrics.AppendDurable(clock.GetElapsedTime(since));
            }

            flushed.ForEach(flush => flush.TrySetResult());
        }

        ended.SetResult();
    }

    /// <summary>
    /// Waits for records or a flush; null when the queue is closed and empty. The first record ends the sleep of an empty
    /// queue, its group then ripens, and only a flush or the end cuts that short.
    /// </summary>
    private (List<T> Records, List<TaskCompletionSource> Flushed, long Since)? TakeGroup()
    {
        for (var ripe = false; ;)
        {
            bool isEmpty;
            lock (gate)
            {
                isEmpty = gathered.Count == 0;
                if ((ripe && !isEmpty) || flushes.Count > 0 || closed)
                {
                    if (isEmpty && flushes.Count == 0)
                    {
                        return null;
                    }

                    var taken = (gathered, flushes, oldest);
                    (gathered, flushes) = ([], []);
                    room?.TrySetResult();
                    room = null;
                    return taken;
                }

                asleep = isEmpty;
            }

            changed.WaitOne(isEmpty ? Timeout.InfiniteTimeSpan : Gathering);
            ripe = !isEmpty;
        }
    }

    private bool WriteUntilDone(List<T> records, List<TaskCompletionSource> flushed)
    {
        while (records.Count > 0)
        {
            try
            {
                write(records).GetAwaiter().GetResult();
                Recover();
                return true;
            }
            catch (Exception exception)
            {
                Fail(exception, flushed);
            }

            lock (gate)
            {
                if (closed)
                {
                    logger.LogError(
                        "{Records} interactions could not be written before the process stopped: {Failure}", records.Count + gathered.Count, failure!.Message);
                    return false;
                }
            }

            changed.WaitOne(RetryInterval);
        }

        return true;
    }

    private void Recover()
    {
        lock (gate)
        {
            if (failure is null)
            {
                return;
            }

            failure = null;
        }

        logger.LogInformation("The interaction log accepts records again.");
    }

    private void Fail(Exception exception, List<TaskCompletionSource> flushed)
    {
        lock (gate)
        {
            var isFirst = failure is null;
            failure ??= exception as StoreUnavailableException
                ?? new StoreUnavailableException($"the interaction log cannot be written ({exception.Message}): free or repair the store, then try again", exception);
            foreach (var flush in (TaskCompletionSource[])[.. flushed, .. flushes])
            {
                flush.TrySetException(failure);
            }

            flushes.Clear();
            room?.TrySetException(failure);
            room = null;
            if (!isFirst)
            {
                return;
            }
        }

        logger.LogError(exception, "The interaction log cannot be written; trying again every {Interval} ms.", RetryInterval.TotalMilliseconds);
    }
}
