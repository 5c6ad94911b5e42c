using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using Gateway.Domain.Storage;

namespace Gateway.Storage.Files;

/// <summary>Where an interaction lies in the log, and what listings filter by.</summary>
internal readonly record struct InteractionEntry(long Sequence, long Address, int Deployment, bool Flagged);

/// <summary>
/// The in-memory index of the interaction log, about 80 bytes per interaction: ids are kept as 128 bits of their SHA-256,
/// deployments as numbers. Thread-safe.
/// </summary>
internal sealed class InteractionIndex
{
    private readonly Lock gate = new();
    private readonly List<InteractionEntry> entries = [];
    private readonly Dictionary<UInt128, int> positions = [];
    private readonly Dictionary<string, int> deployments = new(StringComparer.Ordinal);

    /// <summary>Sequence of the newest entry, 0 when there is none.</summary>
    public long LastSequence
    {
        get
        {
            lock (gate)
            {
                return entries.Count == 0 ? 0 : entries[^1].Sequence;
            }
        }
    }

    public void Add(long sequence, long address, string id, string deployment, bool flagged)
    {
        lock (gate)
        {
            ref var number = ref CollectionsMarshal.GetValueRefOrAddDefault(deployments, deployment, out var known);
            number = known ? number : deployments.Count;
            positions[Digest(id)] = entries.Count;
            entries.Add(new InteractionEntry(sequence, address, number, flagged));
        }
    }

    public bool Contains(string id)
    {
        lock (gate)
        {
            return positions.ContainsKey(Digest(id));
        }
    }

    /// <summary>Address of the interaction, or null.</summary>
    public long? Find(string id)
    {
        lock (gate)
        {
            return positions.TryGetValue(Digest(id), out var position) ? entries[position].Address : null;
        }
    }

    /// <summary>Up to <paramref name="limit"/> entries after a sequence and not after another, oldest first.</summary>
    public List<InteractionEntry> After(long sequence, long last, int limit)
    {
        lock (gate)
        {
            var first = FirstAtLeast(sequence + 1);
            var count = Math.Min(limit, FirstAtLeast(last + 1) - first);
            return count <= 0 ? [] : entries.GetRange(first, count);
        }
    }

    /// <summary>The entries that a query asks for, newest first.</summary>
    public List<InteractionEntry> Select(InteractionQuery query)
    {
        var selected = new List<InteractionEntry>();
        lock (gate)
        {
            var wanted = 0;
            if (query.Deployment is { } deployment && !deployments.TryGetValue(deployment, out wanted))
            {
                return selected;
            }

            for (var i = FirstAtLeast(query.Before ?? long.MaxValue) - 1; i >= 0 && selected.Count < query.Limit; i--)
            {
                var entry = entries[i];
                if ((wanted == 0 || entry.Deployment == wanted) && (entry.Flagged || !query.FlaggedOnly))
                {
                    selected.Add(entry);
                }
            }
        }

        return selected;
    }

    private static UInt128 Digest(string id)
    {
        Span<byte> hash = stackalloc byte[SHA256.HashSizeInBytes];
        SHA256.HashData(MemoryMarshal.AsBytes(id.AsSpan()), hash);
        return BinaryPrimitives.ReadUInt128LittleEndian(hash);
    }

    private int FirstAtLeast(long sequence)
    {
        var (low, high) = (0, entries.Count);
        while (low < high)
        {
            var middle = (low + high) / 2;
            if (entries[middle].Sequence < sequence)
            {
                low = middle + 1;
            }
            else
            {
                high = middle;
            }
        }

        return low;
    }
}
