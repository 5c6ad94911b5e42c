namespace Gateway.Domain.Audit;

/// <summary>
/// One entry of the hash-chained audit trail: <see cref="Hash"/> = SHA-256 over the previous hash and this entry's other
/// members in canonical JSON, so a changed or missing entry is found by walking the chain.
/// </summary>
public sealed record AuditEntry
{
    /// <summary>1, 2, 3 … without gaps.</summary>
    public required long Sequence { get; init; }

    /// <summary>When.</summary>
    public required DateTimeOffset At { get; init; }

    /// <summary>Who or what acted.</summary>
    public required string Actor { get; init; }

    /// <summary>What was done, <c>noun.verb</c>, such as <c>deployment.rollback</c>.</summary>
    public required string Action { get; init; }

    /// <summary>The key of the thing acted on.</summary>
    public required string Subject { get; init; }

    /// <summary>Why, and the numbers behind it.</summary>
    public required string Reason { get; init; }

    /// <summary>Hash of the entry before; 64 zeros for the first.</summary>
    public required string PreviousHash { get; init; }

    /// <summary>Hash of this entry, 64 hex digits.</summary>
    public required string Hash { get; init; }
}
