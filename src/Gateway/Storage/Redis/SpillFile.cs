using Gateway.Domain.Interactions;
using Gateway.Storage.Files;

namespace Gateway.Storage.Redis;

/// <summary>
/// Interactions that Redis has not got yet, in order, on this machine's disk: durable when they are added, and kept over a
/// restart until they are sent. Processes that share a folder have a file each; one that starts also takes over what others
/// left behind. One caller at a time.
/// </summary>
internal sealed class SpillFile : IDisposable
{
    private readonly Queue<long> waiting = [];
    private readonly string path;
    private readonly FileStream held;
    private readonly TimeProvider clock;
    private readonly ILogger logger;
    private LogFile log;

    private SpillFile(string path, FileStream held, TimeProvider clock, ILogger logger)
    {
        this.path = path;
        this.held = held;
        this.clock = clock;
        this.logger = logger;
        log = LogFile.Open(path, (address, _) => waiting.Enqueue(address), clock, logger);
    }

    /// <summary>Interactions in the file.</summary>
    public int Count => waiting.Count;

    /// <summary>Opens this process's file and takes over those that no process uses.</summary>
    public static SpillFile Open(string folder, TimeProvider clock, ILogger logger)
    {
        SpillFile? own = null;
        foreach (var path in Directory.EnumerateFiles(folder, "interactions-*.spill").Order(StringComparer.Ordinal).ToList())
        {
            if (TryHold(path) is not { } held)
            {
                continue;
            }

            var left = new SpillFile(path, held, clock, logger);
            if (own is null)
            {
                own = left;
            }
            else
            {
                own.TakeOver(left);
            }
        }

        var fresh = Path.Combine(folder, $"interactions-{Guid.NewGuid():N}.spill");
        return own ?? new SpillFile(fresh, TryHold(fresh)!, clock, logger);
    }

    /// <summary>Adds a group; durable when it returns.</summary>
    public void Add(IReadOnlyList<Interaction> group)
    {
        var addresses = new long[group.Count];
        log.Append([.. group.Select(interaction => (ReadOnlyMemory<byte>)PackedInteraction.Pack(interaction).Json)], addresses);
        foreach (var address in addresses)
        {
            waiting.Enqueue(address);
        }
    }

    /// <summary>The oldest interactions, up to a number.</summary>
    public IReadOnlyList<Interaction> Peek(int limit) =>
        [.. waiting.Take(limit).Select(address => PackedInteraction.Unpack(log.Read(address).Span))];

    /// <summary>Takes out the oldest ones, which are sent; content leaves the disk with the last. A crash before that sends them again, which is harmless.</summary>
    public void Remove(int sent)
    {
        for (var i = 0; i < sent; i++)
        {
            waiting.Dequeue();
        }

        if (waiting.Count == 0)
        {
            log.Dispose();
            File.Delete(path);
            log = LogFile.Open(path, (_, _) => { }, clock, logger);
        }
    }

    /// <summary>Frees the file; an empty one is removed.</summary>
    public void Dispose()
    {
        log.Dispose();
        if (waiting.Count == 0)
        {
            File.Delete(path);
            File.Delete(held.Name);
        }

        held.Dispose();
    }

    private void TakeOver(SpillFile left)
    {
        if (left.Count > 0)
        {
            Add(left.Peek(left.Count));
            left.Remove(left.Count);
        }

        left.Dispose();
    }

    private static FileStream? TryHold(string path)
    {
        try
        {
            return new FileStream(path + ".lock", FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
        }
        catch (IOException)
        {
            return null;
        }
    }
}
