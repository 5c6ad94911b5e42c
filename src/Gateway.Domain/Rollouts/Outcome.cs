using Gateway.Domain.Interactions;

namespace Gateway.Domain.Rollouts;

/// <summary>The one analysed outcome of a unit: good or not for each guardrail, in the order of the rollout's guardrails.</summary>
/// <param name="UnitHash">The unit, as <see cref="Assignment.UnitHash"/> gives it.</param>
/// <param name="Arm">Candidate or control.</param>
/// <param name="Good">One value per guardrail; failures and time-outs are false, never left out.</param>
public sealed record Outcome(string UnitHash, Arm Arm, IReadOnlyList<bool> Good);

/// <summary>A unit that was sent to an arm, whether or not its outcome is known yet.</summary>
public readonly record struct AssignedUnit(string UnitHash, Arm Arm);

/// <summary>What was learnt since the rollout last advanced; anything may be repeated, units count once.</summary>
public sealed record RolloutEvidence
{
    /// <summary>Units seen in the arms, in the order of their first request.</summary>
    public IReadOnlyList<AssignedUnit> Assigned { get; init; } = [];

    /// <summary>Outcomes of units whose attribution window has closed, in the order of their first request.</summary>
    public IReadOnlyList<Outcome> Outcomes { get; init; } = [];

    /// <summary>Place in the interaction log up to which everything is in here; stored with the result.</summary>
    public long Cursor { get; init; }
}
