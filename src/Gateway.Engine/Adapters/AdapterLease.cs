using Gateway.Model.Lora;

namespace Gateway.Engine.Adapters;

/// <summary>
/// Keeps one generation in memory for one sequence, from admission to the last token, whatever happens to the name meanwhile.
/// Dispose it unless the engine accepted the request that carries it.
/// </summary>
public sealed class AdapterLease : IDisposable
{
    private readonly AdapterSlots _slots;
    private readonly AdapterSlot _slot;
    private int _released;

    internal AdapterLease(AdapterSlots slots, AdapterSlot slot)
    {
        (_slots, _slot) = (slots, slot);
    }

    /// <summary>The leased generation.</summary>
    public string Generation => _slot.Generation;

    /// <summary>The weights; valid until the lease is disposed.</summary>
    internal LoraWeights Weights => _slot.Weights ?? throw new ObjectDisposedException(nameof(AdapterLease));

    /// <summary>Another lease on the same generation, whatever its name points to by now; only while this one is held.</summary>
    public AdapterLease Share() => _slots.Share(_slot);

    /// <inheritdoc/>
    public void Dispose()
    {
        if (Interlocked.Exchange(ref _released, 1) == 0)
        {
            _slots.Release(_slot);
        }
    }
}
