using Gateway.Model.Lora;

namespace Gateway.Engine.Adapters;

/// <summary>
/// The account of the memory that resident generations hold: a budget of bytes and a number of generations. Not thread-safe;
/// its <see cref="AdapterSlots"/> calls it under a lock.
/// </summary>
internal sealed class AdapterMemory(int maximumCount, long maximumBytes)
{
    private readonly HashSet<AdapterSlot> _resident = [];
    private readonly List<LoraWeights> _unused = [];
    private long _residentBytes;
    private long _reservedBytes;
    private int _reservedCount;
    private long _uses;

    /// <summary>Bytes allocated now: resident generations and those about to be freed.</summary>
    public long HeldBytes { get; private set; }

    /// <summary>Generations in memory.</summary>
    public int Count => _resident.Count;

    /// <summary>True when memory waits to be freed.</summary>
    public bool HasUnused => _unused.Count > 0;

    /// <summary>
    /// Reserves room for one more generation: evicts those that were not used for longest, or changes nothing when even
    /// that is not enough. The reservation ends with <see cref="Add"/> or <see cref="Cancel"/>.
    /// </summary>
    public bool TryReserve(long bytes)
    {
        var candidates = _resident.Where(slot => slot.Evictable).OrderBy(slot => slot.LastUse).ToList();
        var (freeBytes, freeCount) = (maximumBytes - _residentBytes - _reservedBytes, maximumCount - _resident.Count - _reservedCount);
        var victims = 0;
        while (freeBytes < bytes || freeCount < 1)
        {
            if (victims == candidates.Count)
            {
                return false;
            }

            freeBytes += candidates[victims++].Bytes;
            freeCount++;
        }

        foreach (var victim in candidates.Take(victims))
        {
            Remove(victim);
        }

        _reservedBytes += bytes;
        _reservedCount++;
        return true;
    }

    /// <summary>Whether a generation would fit if nothing but pinned ones and ones that cannot be read again were in memory.</summary>
    public bool CouldHold(long bytes)
    {
        var staying = _resident.Where(slot => slot.Pins > 0 || slot.Folder is null).ToList();
        return staying.Sum(slot => slot.Bytes) + bytes <= maximumBytes && staying.Count < maximumCount;
    }

    /// <summary>Ends a reservation that was not needed.</summary>
    public void Cancel(long bytes)
    {
        _reservedBytes -= bytes;
        _reservedCount--;
    }

    /// <summary>Makes a generation resident in the room reserved for it.</summary>
    public void Add(AdapterSlot slot, LoraWeights weights)
    {
        Cancel(slot.Bytes);
        slot.Weights = weights;
        _resident.Add(slot);
        _residentBytes += slot.Bytes;
        HeldBytes += slot.Bytes;
        Touch(slot);
    }

    /// <summary>Takes a generation out of memory; <see cref="TakeUnused"/> hands its weights out to be freed.</summary>
    public void Remove(AdapterSlot slot)
    {
        if (_resident.Remove(slot))
        {
            _unused.Add(slot.Weights!);
            slot.Weights = null;
            _residentBytes -= slot.Bytes;
        }
    }

    /// <summary>Marks a generation as the one used last.</summary>
    public void Touch(AdapterSlot slot) => slot.LastUse = ++_uses;

    /// <summary>Weights to be freed outside the lock, and reported with <see cref="Freed"/> after that.</summary>
    public List<LoraWeights> TakeUnused()
    {
        List<LoraWeights> taken = [.. _unused];
        _unused.Clear();
        return taken;
    }

    /// <summary>Takes freed bytes off the account.</summary>
    public void Freed(long bytes) => HeldBytes -= bytes;
}
