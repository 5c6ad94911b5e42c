using System.Threading.Channels;
using Gateway.Domain.Storage;
using StackExchange.Redis;

namespace Gateway.Storage.Redis;

/// <summary>
/// Changes by pub/sub, which forgets what is published while nobody listens. After a lost connection a marker is published
/// until it comes back through the subscription; from then on nothing is missed, and watchers are told to read everything.
/// </summary>
internal sealed class RedisChanges : IAsyncDisposable
{
    private static readonly TimeSpan MarkerInterval = TimeSpan.FromMilliseconds(100);

    private readonly ChangeFeed feed = new();
    private readonly CancellationTokenSource stopping = new();
    private readonly ConnectionMultiplexer multiplexer;
    private readonly string channel;
    private readonly string marker = $"\0{Guid.NewGuid():N}";
    private readonly TimeProvider clock;
    private volatile TaskCompletionSource? markerSeen;
    private readonly Channel<bool> restored = Channel.CreateBounded<bool>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite });
    private readonly Task resuming;

    private RedisChanges(ConnectionMultiplexer multiplexer, string channel, TimeProvider clock)
    {
        this.multiplexer = multiplexer;
        this.channel = channel;
        this.clock = clock;
        resuming = Task.Run(ResumeAsync);
    }

    /// <summary>Subscribes.</summary>
    public static async Task<RedisChanges> SubscribeAsync(ConnectionMultiplexer multiplexer, string channel, TimeProvider clock)
    {
        var changes = new RedisChanges(multiplexer, channel, clock);
        await multiplexer.GetSubscriber().SubscribeAsync(channel, (_, message) => changes.OnMessage(message!)).ConfigureAwait(false);
        multiplexer.ConnectionRestored += changes.OnRestored;
        return changes;
    }

    public IAsyncEnumerable<DocumentChange> Watch(CancellationToken cancellationToken) => feed.Watch(cancellationToken);

    public async ValueTask DisposeAsync()
    {
        multiplexer.ConnectionRestored -= OnRestored;
        restored.Writer.TryComplete();
        await stopping.CancelAsync().ConfigureAwait(false);
        await resuming.ConfigureAwait(false);
        stopping.Dispose();
        feed.Close();
    }

    private void OnMessage(string message)
    {
        if (message == marker)
        {
            markerSeen?.TrySetResult();
        }
        else if (message.IndexOf('\0', StringComparison.Ordinal) is > 0 and var end)
        {
            feed.Publish(new DocumentChange(message[..end], message[(end + 1)..]));
        }
    }

    private void OnRestored(object? sender, ConnectionFailedEventArgs connection) => restored.Writer.TryWrite(true);

    private async Task ResumeAsync()
    {
        await foreach (var _ in restored.Reader.ReadAllAsync().ConfigureAwait(false))
        {
            var seen = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            markerSeen = seen;
            while (!seen.Task.IsCompleted && !stopping.IsCancellationRequested)
            {
                await SendMarkerAsync(seen.Task).ConfigureAwait(false);
            }

            feed.Publish(ChangeFeed.Everything);
        }
    }

    private async Task SendMarkerAsync(Task seen)
    {
        try
        {
            await multiplexer.GetDatabase().PublishAsync(channel, marker).WaitAsync(MarkerInterval, clock, stopping.Token).ConfigureAwait(false);
            await seen.WaitAsync(MarkerInterval, clock, stopping.Token).ConfigureAwait(false);
        }
        catch (Exception exception) when (exception is RedisException or TimeoutException or OperationCanceledException)
        {
            await Task.Delay(MarkerInterval, clock, stopping.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }
}
