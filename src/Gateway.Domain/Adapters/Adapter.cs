namespace Gateway.Domain.Adapters;

/// <summary>
/// A registered LoRA adapter generation: the record beside the immutable PEFT files. <see cref="PromptHash"/> and
/// <see cref="BaseFingerprint"/> come from the adapter's manifest; an adapter without one is unbound: allowed, marked, never
/// canaried without a gate.
/// </summary>
public sealed record Adapter
{
    /// <summary>64 hex digits: the hash of the canonical configuration and tensors.</summary>
    public required string Generation { get; init; }

    /// <summary>A readable name; not unique.</summary>
    public required string Name { get; init; }

    /// <summary>Largest rank of any module.</summary>
    public required int Rank { get; init; }

    /// <summary>Size of the tensors in bytes.</summary>
    public required long Bytes { get; init; }

    /// <summary>The prompt hash it was trained under, or null when unbound.</summary>
    public string? PromptHash { get; init; }

    /// <summary>The base model it was trained on, or null when unbound.</summary>
    public string? BaseFingerprint { get; init; }

    /// <summary>The training run it came from, or null for an uploaded adapter.</summary>
    public string? RunId { get; init; }

    /// <summary>Short id of the trusted key that signed it, or null.</summary>
    public string? SignedBy { get; init; }

    /// <summary>When it was registered.</summary>
    public required DateTimeOffset CreatedAt { get; init; }

    /// <summary>True when no manifest binds it to a prompt and a base.</summary>
    public bool Unbound => PromptHash is null || BaseFingerprint is null;
}
