using Gateway.Domain.Limits;

namespace Gateway.Domain.Keys;

/// <summary>
/// An API key as it is stored: never the secret itself, only its SHA-256. Rotation keeps the id, so that limits, budgets and
/// the audit trail go on; the secret before it may stay in force for a while.
/// </summary>
public sealed record ApiKey
{
    /// <summary>The public id, 12 lower-case letters and digits, part of the secret's text.</summary>
    public required string Id { get; init; }

    /// <summary>What the operator calls it.</summary>
    public string? Name { get; init; }

    /// <summary>SHA-256 of the secret's text, 64 hex digits.</summary>
    public required string Hash { get; init; }

    /// <summary>What it may be used for, one scope per entry.</summary>
    public required IReadOnlyList<KeyScope> Scopes { get; init; }

    /// <summary>Whose it is: interactions belong to owners, and keys of one owner share them.</summary>
    public required string Owner { get; init; }

    /// <summary>The models it may use; null for all.</summary>
    public IReadOnlyList<string>? Models { get; init; }

    /// <summary>What separates its prompts from others' in the workers' prefix cache.</summary>
    public required string CacheSalt { get; init; }

    /// <summary>What it may use up, or null for no limits.</summary>
    public KeyLimits? Limits { get; init; }

    /// <summary>When it was made.</summary>
    public required DateTimeOffset CreatedAt { get; init; }

    /// <summary>Who made it.</summary>
    public required string CreatedBy { get; init; }

    /// <summary>When it stops to work, or null for never.</summary>
    public DateTimeOffset? ExpiresAt { get; init; }

    /// <summary>When it was revoked, or null.</summary>
    public DateTimeOffset? RevokedAt { get; init; }

    /// <summary>When its secret was last replaced, or null.</summary>
    public DateTimeOffset? RotatedAt { get; init; }

    /// <summary>The hash of the secret before the last rotation, or null.</summary>
    public string? PreviousHash { get; init; }

    /// <summary>Until when that secret works, too.</summary>
    public DateTimeOffset? PreviousUntil { get; init; }

    /// <summary>True when the key may be used at <paramref name="now"/>.</summary>
    public bool IsActive(DateTimeOffset now) => RevokedAt is null && !(ExpiresAt <= now);

    /// <summary>All scopes in one value.</summary>
    public KeyScope Granted() => Scopes.Aggregate(KeyScope.None, (all, scope) => all | scope);

    /// <summary>The key with a new secret; the one before works until <paramref name="previousUntil"/>.</summary>
    public ApiKey Rotate(string hash, DateTimeOffset now, DateTimeOffset previousUntil) => this with
    {
        Hash = hash,
        RotatedAt = now,
        PreviousHash = previousUntil > now ? Hash : null,
        PreviousUntil = previousUntil > now ? previousUntil : null,
    };
}
