namespace Gateway.Domain.Contracts;

/// <summary>One step in a label's history.</summary>
/// <param name="Version">The version it named from then on.</param>
/// <param name="At">When.</param>
/// <param name="Actor">Who moved it.</param>
/// <param name="Reason">Why, if told.</param>
public sealed record LabelStep(int Version, DateTimeOffset At, string Actor, string? Reason);

/// <summary>A movable name for a contract version. Immutable; moving one never moves traffic.</summary>
public sealed record ContractLabel
{
    private const int KeptSteps = 100;

    /// <summary>The contract's name.</summary>
    public required string Name { get; init; }

    /// <summary>The label.</summary>
    public required string Label { get; init; }

    /// <summary>The version it names.</summary>
    public required int Version { get; init; }

    /// <summary>True when only operators may move or remove it.</summary>
    public bool Protected { get; init; }

    /// <summary>The newest hundred moves, oldest first, the current one last; the audit trail keeps all.</summary>
    public IReadOnlyList<LabelStep>? History { get; init; }

    /// <summary>The same label on <paramref name="version"/>.</summary>
    public ContractLabel MoveTo(int version, DateTimeOffset at, string actor, string? reason) => this with
    {
        Version = version,
        History = [.. (History ?? []).TakeLast(KeptSteps - 1), new LabelStep(version, at, actor, reason)],
    };
}
