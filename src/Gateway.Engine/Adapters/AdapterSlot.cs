using Gateway.Model.Lora;

namespace Gateway.Engine.Adapters;

/// <summary>One generation that a name points to or a sequence runs on, in memory or not. Changes only under the lock of its <see cref="AdapterSlots"/>.</summary>
internal sealed class AdapterSlot(LoraWeights weights, string? folder)
{
    /// <summary>The content hash that identifies it.</summary>
    public string Generation { get; } = weights.Generation;

    /// <summary>Largest rank of any module.</summary>
    public int Rank { get; } = weights.Rank;

    /// <summary>Native memory while it is resident.</summary>
    public long Bytes { get; } = weights.Bytes;

    /// <summary>Where to read it again: the folder it was loaded from last. Null when it was handed over in memory and cannot be.</summary>
    public string? Folder { get; set; } = folder;

    /// <summary>The weights; null while the generation is not resident, which no leased one ever is.</summary>
    public LoraWeights? Weights { get; set; }

    /// <summary>Names that point here.</summary>
    public int Names { get; set; }

    /// <summary>How many of them are pinned.</summary>
    public int Pins { get; set; }

    /// <summary>Sequences that run on it.</summary>
    public int Leases { get; set; }

    /// <summary>The moment of its last use, in uses of all generations.</summary>
    public long LastUse { get; set; }

    /// <summary>True when its memory may be given to another generation.</summary>
    public bool Evictable => Weights is not null && Folder is not null && Pins == 0 && Leases == 0;
}
