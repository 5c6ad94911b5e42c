using Gateway.Domain.Interactions;

namespace Gateway.Domain.Rollouts;

/// <summary>The first time a process reached its threshold; it stands even if the wealth falls again.</summary>
public sealed record Crossing(long Pairs, DateTimeOffset At, double LogWealth);

/// <summary>The state of one guardrail's tests: three counters, the outcomes still without a partner, and the crossings.</summary>
public sealed record GuardrailState
{
    /// <summary>The measure and its margins.</summary>
    public required Guardrail Guardrail { get; init; }

    /// <summary>Results of the pairs so far.</summary>
    public PairCounts Pairs { get; init; }

    /// <summary>The arm that is ahead and whose outcomes wait in <see cref="Unpaired"/>.</summary>
    public Arm UnpairedArm { get; init; }

    /// <summary>Outcomes without a partner, oldest first: '1' good, '0' not.</summary>
    public string Unpaired { get; init; } = "";

    /// <summary>When harm was shown, or null.</summary>
    public Crossing? Harm { get; init; }

    /// <summary>When safety was shown, or null.</summary>
    public Crossing? Safe { get; init; }
}
