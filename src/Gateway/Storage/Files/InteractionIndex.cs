using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using Gateway.Domain.Storage;

namespace Gateway.Storage.Files;

/// <summary>
/// Where an interaction lies in the log, and what listings filter by: 40 bytes. Ids are kept as 128 bits of their SHA-256,
/// users as 32 (a hint that the record confirms), deployments as numbers from 1 whose top bit says that the entry has a flag;
/// 0 is an erased entry.
/// </summary>
[StructLayout(LayoutKind.Sequential, Pack = 8)]
internal record struct InteractionEntry(long Sequence, long Address, ulong DigestHigh, ulong DigestLow, uint User, uint Deployment)
{
    public const uint FlagBit = 1u << 31;

    public readonly bool IsErased => Deployment == 0;
}

/// <summary>
/// The in-memory index of the interaction log: about 50 bytes per interaction, in blocks, so that growing copies nothing but
/// the table of positions. Thread-safe.
/// </summary>
internal sealed class InteractionIndex
{
    private const int BlockSize = 1 << 16;
    private readonly Lock gate = new();
    private readonly List<InteractionEntry[]> blocks = [];
    private readonly List<string> deployments = [];
    private readonly Dictionary<string, uint> numbers = new(StringComparer.Ordinal);
    private int[] slots = new int[1024];
    private int count;

    /// <summary>Sequence of the newest entry ever added, 0 when there is none.</summary>
    public long LastSequence { get; private set; }

    /// <summary>Entries that are not erased.</summary>
    public int Live { get; private set; }

    /// <summary>The deployments by number, from 1.</summary>
    public IReadOnlyList<string> Deployments => deployments;

    /// <summary>The 32 bits that entries keep of a user; 0 is nobody.</summary>
    public static uint UserHint(string? user) =>
        string.IsNullOrEmpty(user) ? 0 : Math.Max(1, (uint)Digest(user).Low);

    public void Add(long sequence, long address, string id, string deployment, string? user, bool flagged)
    {
        lock (gate)
        {
            var (high, low) = Digest(id);
            Append(new InteractionEntry(sequence, address, high, low, UserHint(user), NumberOf(deployment) | (flagged ? InteractionEntry.FlagBit : 0)));
        }
    }

    /// <summary>Adds entries that another index gave, whose deployments have the same numbers.</summary>
    public void Add(ReadOnlySpan<InteractionEntry> copies)
    {
        lock (gate)
        {
            foreach (var entry in copies)
            {
                Append(entry);
            }
        }
    }

    /// <summary>Gives a deployment its number.</summary>
    public uint NumberOf(string deployment)
    {
        lock (gate)
        {
            ref var number = ref CollectionsMarshal.GetValueRefOrAddDefault(numbers, deployment, out var known);
            if (!known)
            {
                deployments.Add(deployment);
                number = (uint)deployments.Count;
            }

            return number;
        }
    }

    /// <summary>Entries without a record, such as erased ones, count for the next sequence.</summary>
    public void Skip(long sequence)
    {
        lock (gate)
        {
            LastSequence = Math.Max(LastSequence, sequence);
        }
    }

    public bool Contains(string id) => Find(id) is not null;

    /// <summary>The interaction's entry, or null.</summary>
    public InteractionEntry? Find(string id)
    {
        var (high, low) = Digest(id);
        lock (gate)
        {
            return PositionOf(high, low) is var position and >= 0 ? At(position) : null;
        }
    }

    /// <summary>Takes an entry out; nothing finds it any more.</summary>
    public void Erase(InteractionEntry entry)
    {
        lock (gate)
        {
            if (PositionOf(entry.DigestHigh, entry.DigestLow) is var position and >= 0)
            {
                At(position).Deployment = 0;
                Live--;
            }
        }
    }

    /// <summary>Up to <paramref name="limit"/> entries after a sequence and not after another, oldest first.</summary>
    public List<InteractionEntry> After(long sequence, long last, int limit)
    {
        var found = new List<InteractionEntry>();
        lock (gate)
        {
            for (var i = FirstAtLeast(sequence + 1); i < count && found.Count < limit && At(i).Sequence <= last; i++)
            {
                if (!At(i).IsErased)
                {
                    found.Add(At(i));
                }
            }
        }

        return found;
    }

    /// <summary>The entries that a query asks for, newest first; by the user's hint only.</summary>
    public List<InteractionEntry> Select(InteractionQuery query)
    {
        var selected = new List<InteractionEntry>();
        var user = UserHint(query.User);
        lock (gate)
        {
            var wanted = 0u;
            if (query.Deployment is { } deployment && !numbers.TryGetValue(deployment, out wanted))
            {
                return selected;
            }

            for (var i = FirstAtLeast(query.Before ?? long.MaxValue) - 1; i >= 0 && selected.Count < query.Limit; i--)
            {
                ref var entry = ref At(i);
                if (!entry.IsErased
                    && (wanted == 0 || (entry.Deployment & ~InteractionEntry.FlagBit) == wanted)
                    && ((entry.Deployment & InteractionEntry.FlagBit) != 0 || !query.FlaggedOnly)
                    && (user == 0 || entry.User == user))
                {
                    selected.Add(entry);
                }
            }
        }

        return selected;
    }

    private static (ulong High, ulong Low) Digest(string text)
    {
        Span<byte> hash = stackalloc byte[SHA256.HashSizeInBytes];
        SHA256.HashData(MemoryMarshal.AsBytes(text.AsSpan()), hash);
        return (BinaryPrimitives.ReadUInt64LittleEndian(hash[8..]), BinaryPrimitives.ReadUInt64LittleEndian(hash));
    }

    private ref InteractionEntry At(int position) => ref blocks[position / BlockSize][position % BlockSize];

    private void Append(InteractionEntry entry)
    {
        if (count == blocks.Count * BlockSize)
        {
            blocks.Add(new InteractionEntry[BlockSize]);
        }

        if (2 * (count + 1) > slots.Length)
        {
            slots = new int[slots.Length * 2];
            for (var i = 0; i < count; i++)
            {
                Place(i);
            }
        }

        At(count) = entry;
        Place(count++);
        Live++;
        LastSequence = Math.Max(LastSequence, entry.Sequence);
    }

    // Open addressing; a slot holds a position plus one. At most half of the slots are taken.
    private void Place(int position)
    {
        var slot = (int)(At(position).DigestLow & (uint)(slots.Length - 1));
        while (slots[slot] != 0)
        {
            slot = (slot + 1) & (slots.Length - 1);
        }

        slots[slot] = position + 1;
    }

    private int PositionOf(ulong high, ulong low)
    {
        for (var slot = (int)(low & (uint)(slots.Length - 1)); slots[slot] != 0; slot = (slot + 1) & (slots.Length - 1))
        {
            ref var entry = ref At(slots[slot] - 1);
            if (entry.DigestLow == low && entry.DigestHigh == high && !entry.IsErased)
            {
                return slots[slot] - 1;
            }
        }

        return -1;
    }

    private int FirstAtLeast(long sequence)
    {
        var (low, high) = (0, count);
        while (low < high)
        {
            var middle = (low + high) / 2;
            if (At(middle).Sequence < sequence)
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
