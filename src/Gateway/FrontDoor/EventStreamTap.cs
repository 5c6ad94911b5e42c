using System.Buffers;
using System.IO.Pipelines;
using System.Text.Json;
using Gateway.Api.Wire;
using Gateway.Domain.Interactions;

namespace Gateway.FrontDoor;

/// <summary>
/// Reads a worker's server-sent events and gives the client's in their place. A stream that breaks off before
/// <c>[DONE]</c> ends with an error event and without the form's end mark, so that no client takes a torn reply for a whole one.
/// The record is made before the end marker leaves, so whoever has seen the end of a reply can find its record.
/// One reader; owns <paramref name="upstream"/>.
/// </summary>
internal sealed class EventStreamTap(Stream upstream, Exchange exchange, ReplyDeadline deadline, Func<EndReason, int, ValueTask> end) : Stream
{
    private const int MaximumEventBytes = 1 << 20;

    // What a worker sends at once reaches the client at once.
    private const int ReadAhead = 16 << 10;
    private readonly PipeReader _events = PipeReader.Create(upstream, new StreamPipeReaderOptions(bufferSize: ReadAhead));
    private readonly PooledBuffer _data = new(2048);
    private readonly PooledBuffer _output = new();
    private int _taken;
    private bool _finished;

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

    /// <summary>Waits for the first bytes; false when the worker broke off before them, so that another one can be tried.</summary>
    public async Task<bool> PrimeAsync(CancellationToken cancellationToken)
    {
        try
        {
            var read = await _events.ReadAsync(cancellationToken);
            _events.AdvanceTo(read.Buffer.Start);
            return !read.Buffer.IsEmpty;
        }
        catch (Exception failure) when (IsWorkerFailure(failure, cancellationToken))
        {
            return false;
        }
    }

    /// <inheritdoc/>
    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        while (_taken == _output.Count && !_finished)
        {
            _output.Clear();
            _taken = 0;
            try
            {
                if (!await PumpAsync(cancellationToken))
                {
                    await BreakOffAsync(deadline.Passed is { } passed
                        ? ApiError.UpstreamTimeout(passed)
                        : ApiError.UpstreamError("The worker broke off the reply. Try again."));
                }
            }
            catch (Exception failure) when (IsWorkerFailure(failure, cancellationToken))
            {
                await BreakOffAsync(ApiError.UpstreamError("The worker broke off the reply. Try again."));
            }
        }

        var count = Math.Min(buffer.Length, _output.Count - _taken);
        _output.Written.Span.Slice(_taken, count).CopyTo(buffer.Span);
        _taken += count;
        return count;
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
            _events.Complete();
            upstream.Dispose();
            _data.Dispose();
            _output.Dispose();
        }

        base.Dispose(disposing);
    }

    // The token fires when the client leaves or the whole request is given up, which is not the worker's failure.
    private static bool IsWorkerFailure(Exception failure, CancellationToken cancellationToken) =>
        !cancellationToken.IsCancellationRequested
        && failure is IOException or HttpRequestException or JsonException or InvalidOperationException or OperationCanceledException;

    /// <summary>Reads on until there is output or the stream has finished; false when the worker's stream ended too early.</summary>
    private async Task<bool> PumpAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            var read = await deadline.ReadAsync(_events, cancellationToken);
            var buffer = read.Buffer;
            while (!_finished && TryTakeLine(ref buffer, out var line))
            {
                await TakeLineAsync(line, cancellationToken);
            }

            if (buffer.Length > MaximumEventBytes)
            {
                throw new InvalidOperationException("An event of the worker's stream has no end.");
            }

            _events.AdvanceTo(buffer.Start, buffer.End);
            if (_output.Count > 0 || _finished)
            {
                return true;
            }

            if (read.IsCompleted || read.IsCanceled)
            {
                return false;
            }
        }
    }

    private static bool TryTakeLine(ref ReadOnlySequence<byte> buffer, out ReadOnlySequence<byte> line)
    {
        if (buffer.PositionOf((byte)'\n') is not { } end)
        {
            line = default;
            return false;
        }

        line = buffer.Slice(0, end);
        buffer = buffer.Slice(buffer.GetPosition(1, end));
        return true;
    }

    private ValueTask TakeLineAsync(ReadOnlySequence<byte> line, CancellationToken cancellationToken)
    {
        var bytes = line.IsSingleSegment ? line.FirstSpan : line.ToArray();
        bytes = bytes.EndsWith("\r"u8) ? bytes[..^1] : bytes;
        if (bytes.IsEmpty)
        {
            if (_data.Count == 0 || exchange.Form.TryRepeatChunk(_data.Written.Span, _output))
            {
                _data.Clear();
                return ValueTask.CompletedTask;
            }

            return TakeEventAsync(cancellationToken);
        }

        if (bytes[0] == (byte)':')
        {
            // A comment keeps the connection alive on this side, too.
            _output.Write(": ping\n\n"u8);
        }
        else if (bytes.StartsWith("data:"u8))
        {
            var data = bytes["data:"u8.Length..];
            _data.Write(data.StartsWith(" "u8) ? data[1..] : data);
        }

        return ValueTask.CompletedTask;
    }

    private async ValueTask TakeEventAsync(CancellationToken cancellationToken)
    {
        if (_data.Written.Span.SequenceEqual("[DONE]"u8))
        {
            await FinishAsync();
            return;
        }

        using var document = JsonDocument.Parse(_data.Written);
        _data.Clear();
        if (document.RootElement.TryGetProperty("error", out var error) && error.ValueKind == JsonValueKind.Object)
        {
            await BreakOffAsync(WorkerErrors.FromEvent(error));
            return;
        }

        var guarded = exchange.Guards is { LooksAtReplies: true } guards ? await guards.CheckAsync(document.RootElement, cancellationToken) : null;
        exchange.Form.WriteChunk(document.RootElement, guarded, _output);

        // Nothing that follows may leave: the worker is told so when the connection closes.
        if (guarded is { EverythingBlocked: true })
        {
            await FinishAsync();
        }
    }

    private async ValueTask FinishAsync()
    {
        _finished = true;
        if (!exchange.HasAllChoices)
        {
            await BreakOffAsync(ApiError.UpstreamError("The worker ended the reply without a reason. Try again."));
            return;
        }

        if (await exchange.Form.CompleteAsync() is { } unfinished)
        {
            await BreakOffAsync(unfinished, ReplyRewriter.EndOf(exchange.FinishReason));
            return;
        }

        await end(ReplyRewriter.EndOf(exchange.FinishReason), StatusCodes.Status200OK);
        exchange.Form.WriteEnd(_output);
    }

    private async ValueTask BreakOffAsync(ApiError error, EndReason reason = EndReason.WorkerFailed)
    {
        _finished = true;
        await end(reason, StatusCodes.Status200OK);
        await exchange.Form.WriteFailureAsync(exchange.Form.Translate(error), _output);
    }
}
