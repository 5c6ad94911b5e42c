using System.Threading.Channels;
using Gateway.Domain.Storage;

namespace Gateway.Storage;

/// <summary>
/// Hands committed changes to watchers. A watcher that falls 4,096 changes behind gets "read everything again" in place of
/// what it missed, so a slow one costs bounded memory. Thread-safe.
/// </summary>
internal sealed class ChangeFeed
{
    private const int Capacity = 4096;
    private readonly Lock gate = new();
    private readonly List<Watcher> watchers = [];
    private bool closed;

    /// <summary>The change that says "read everything again".</summary>
    public static DocumentChange Everything { get; } = new("", "");

    /// <summary>Tells every watcher.</summary>
    public void Publish(DocumentChange change)
    {
        lock (gate)
        {
            foreach (var watcher in watchers)
            {
                watcher.Offer(change);
            }
        }
    }

    /// <summary>Subscribes at once, so that no change after this call is missed, and yields the changes.</summary>
    public IAsyncEnumerable<DocumentChange> Watch(CancellationToken cancellationToken)
    {
        var watcher = new Watcher();
        lock (gate)
        {
            watchers.Add(watcher);
            if (closed)
            {
                watcher.Close();
            }
        }

        return ReadAsync(watcher, cancellationToken);
    }

    /// <summary>Ends every watch.</summary>
    public void Close()
    {
        lock (gate)
        {
            closed = true;
            watchers.ForEach(watcher => watcher.Close());
        }
    }

    private async IAsyncEnumerable<DocumentChange> ReadAsync(
        Watcher watcher, [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancellationToken)
    {
        try
        {
            await foreach (var change in watcher.Changes.ReadAllAsync(cancellationToken).ConfigureAwait(false))
            {
                if (watcher.TakeLoss())
                {
                    yield return Everything;
                }

                yield return change;
            }
        }
        finally
        {
            lock (gate)
            {
                watchers.Remove(watcher);
            }
        }
    }

    private sealed class Watcher
    {
        private readonly Channel<DocumentChange> channel =
            Channel.CreateBounded<DocumentChange>(new BoundedChannelOptions(Capacity) { SingleReader = true });

        private int lost;

        public ChannelReader<DocumentChange> Changes => channel.Reader;

        /// <summary>A full channel has items to read, so the loss is noticed with the next one.</summary>
        public void Offer(DocumentChange change)
        {
            if (!channel.Writer.TryWrite(change))
            {
                Volatile.Write(ref lost, 1);
            }
        }

        public bool TakeLoss() => Interlocked.Exchange(ref lost, 0) == 1;

        public void Close() => channel.Writer.TryComplete();
    }
}
