namespace Gateway.FrontDoor;

/// <summary>A worker did not send the next piece of its reply in time.</summary>
internal sealed class WorkerTimeoutException() : IOException("The worker did not send the next piece of its reply in time.");

/// <summary>
/// A worker's reply that must keep coming: every read has to end within its limit, or it fails with
/// <see cref="WorkerTimeoutException"/>. One reader; owns <paramref name="upstream"/>.
/// </summary>
/// <param name="upstream">The reply.</param>
/// <param name="first">Limit of the first read.</param>
/// <param name="later">Limit of every other read.</param>
/// <param name="total">Limit of all reads together.</param>
/// <param name="clock">Measures the limits.</param>
internal sealed class TimedStream(Stream upstream, TimeSpan first, TimeSpan later, TimeSpan total, TimeProvider clock) : Stream
{
    private readonly CancellationTokenSource _limit = new(Timeout.InfiniteTimeSpan, clock);
    private readonly long _started = clock.GetTimestamp();
    private bool _begun;

    /// <inheritdoc/>
    public override bool CanRead => true;

    /// <inheritdoc/>
    public override bool CanSeek => false;

    /// <inheritdoc/>
    public override bool CanWrite => false;

    /// <inheritdoc/>
    public override long Length => throw new NotSupportedException();

    /// <inheritdoc/>
    public override long Position
    {
        get => throw new NotSupportedException();
        set => throw new NotSupportedException();
    }

    /// <inheritdoc/>
    public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        var left = total - clock.GetElapsedTime(_started);
        var step = _begun ? later : first;
        _begun = true;
        var limit = left < step ? left : step;
        if (limit <= TimeSpan.Zero)
        {
            return ValueTask.FromException<int>(new WorkerTimeoutException());
        }

        var reading = upstream.ReadAsync(buffer, _limit.Token);
        return reading.IsCompletedSuccessfully ? reading : WaitAsync(reading, limit, cancellationToken);
    }

    /// <inheritdoc/>
    public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    /// <inheritdoc/>
    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException("Read asynchronously.");

    /// <inheritdoc/>
    public override void Flush() => throw new NotSupportedException();

    /// <inheritdoc/>
    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    /// <inheritdoc/>
    public override void SetLength(long value) => throw new NotSupportedException();

    /// <inheritdoc/>
    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            _limit.Dispose();
            upstream.Dispose();
        }

        base.Dispose(disposing);
    }

    private async ValueTask<int> WaitAsync(ValueTask<int> reading, TimeSpan limit, CancellationToken cancellationToken)
    {
        try
        {
            _limit.CancelAfter(limit);
            await using var leaving = cancellationToken.UnsafeRegister(static limit => ((CancellationTokenSource)limit!).Cancel(), _limit);
            var count = await reading;

            // While the client takes its time, the worker is not late.
            _limit.CancelAfter(Timeout.InfiniteTimeSpan);
            return count;
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            throw new WorkerTimeoutException();
        }
    }
}
