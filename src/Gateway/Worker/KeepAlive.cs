using System.Threading.Channels;

namespace Gateway.Worker;

/// <summary>Waits for items and says every now and then that it still does, so that nobody on the way takes a silent stream for a dead one.</summary>
internal static class KeepAlive
{
    /// <summary>Completes as <see cref="ChannelReader{T}.WaitToReadAsync"/> does; calls <paramref name="ping"/> after each interval without an item.</summary>
    public static async ValueTask<bool> WaitAsync<T>(
        ChannelReader<T> items, TimeSpan interval, TimeProvider clock, Func<ValueTask> ping, CancellationToken cancellation)
    {
        var waiting = items.WaitToReadAsync(cancellation);
        if (waiting.IsCompleted)
        {
            return await waiting;
        }

        var arrival = waiting.AsTask();
        while (true)
        {
            try
            {
                return await arrival.WaitAsync(interval, clock, cancellation);
            }
            catch (TimeoutException) when (!arrival.IsCompleted)
            {
                await ping();
            }
        }
    }
}
