using System.IO.Pipelines;
using Gateway.Hosting;

namespace Gateway.FrontDoor;

/// <summary>
/// The time limits of one attempt at a reply. Until a reply has begun they cancel <see cref="Token"/>; a stream that has begun
/// is watched read by read, so that its client can be told. Used by one request.
/// </summary>
internal sealed class ReplyDeadline : IDisposable
{
    private static readonly TimeSpan Never = Timeout.InfiniteTimeSpan;
    private readonly RequestLimits _limits;
    private readonly Exchange _exchange;
    private readonly TimeProvider _clock;
    private readonly CancellationTokenSource _beforeReply;
    private readonly CancellationToken _client;
    private ITimer? _timer;
    private PipeReader? _reading;
    private volatile bool _endsWithTotal;
    private volatile string? _passed;

    /// <summary>Starts to watch: for the first part of a stream, or for the whole of a reply that is not streamed.</summary>
    /// <param name="limits">The limits.</param>
    /// <param name="exchange">The request; time counts from its arrival.</param>
    /// <param name="clock">The clock.</param>
    /// <param name="client">Cancelled when the client leaves.</param>
    public ReplyDeadline(RequestLimits limits, Exchange exchange, TimeProvider clock, CancellationToken client)
    {
        (_limits, _exchange, _clock, _client) = (limits, exchange, clock, client);
        _beforeReply = CancellationTokenSource.CreateLinkedTokenSource(client);
        _beforeReply.CancelAfter(Left(exchange.Request.Stream ? limits.FirstToken : limits.Total));
    }

    /// <summary>Cancelled when the client leaves, or a reply has not begun in time.</summary>
    public CancellationToken Token => _beforeReply.Token;

    /// <summary>Which limit has passed, for the client, or null.</summary>
    public string? Passed => _passed ?? (!_beforeReply.IsCancellationRequested || _client.IsCancellationRequested
        ? null
        : _exchange.Request.Stream ? Describe("the first token", _limits.FirstToken) : Describe("the whole reply", _limits.Total));

    /// <summary>Stops to watch for the beginning: the reply has begun.</summary>
    public void Disarm() => _beforeReply.CancelAfter(Never);

    /// <summary>Reads, for as long as a pause and the whole reply may last; a cancelled result says that it took longer.</summary>
    public ValueTask<ReadResult> ReadAsync(PipeReader reader, CancellationToken cancellationToken)
    {
        var read = reader.ReadAsync(cancellationToken);
        return read.IsCompleted ? read : WatchAsync(reader, read);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _timer?.Dispose();
        _beforeReply.Dispose();
    }

    private async ValueTask<ReadResult> WatchAsync(PipeReader reader, ValueTask<ReadResult> read)
    {
        _reading = reader;
        _timer ??= _clock.CreateTimer(static state => ((ReplyDeadline)state!).Expire(), this, Never, Never);
        var left = Left(_limits.Total);
        _endsWithTotal = left < _limits.BetweenTokens;
        _timer.Change(_endsWithTotal ? left : _limits.BetweenTokens, Never);
        try
        {
            return await read;
        }
        finally
        {
            _timer.Change(Never, Never);
        }
    }

    private void Expire()
    {
        _passed = _endsWithTotal ? Describe("the whole reply", _limits.Total) : Describe("a pause between tokens", _limits.BetweenTokens);
        _reading!.CancelPendingRead();
    }

    private TimeSpan Left(TimeSpan limit) => limit - _exchange.Elapsed is var left && left > TimeSpan.FromMilliseconds(1) ? left : TimeSpan.FromMilliseconds(1);

    private static string Describe(string what, TimeSpan limit) =>
        string.Create(System.Globalization.CultureInfo.InvariantCulture, $"{what} took longer than {limit.TotalSeconds:0.###} s");
}
