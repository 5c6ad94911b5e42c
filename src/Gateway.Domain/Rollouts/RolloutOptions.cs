namespace Gateway.Domain.Rollouts;

/// <summary>The error budget, limits and ramp of a rollout; fixed when it starts.</summary>
public sealed record RolloutOptions
{
    /// <summary>Probability of rolling back a candidate that is not worse, over all guardrails together (α of harm).</summary>
    public double HarmError { get; init; } = 0.05;

    /// <summary>Probability of promoting a candidate that is worse than a safe margin (α of safety).</summary>
    public double SafeError { get; init; } = 0.05;

    /// <summary>Fewest pairs before promotion.</summary>
    public int MinimumPairs { get; init; } = 30;

    /// <summary>Fewest pairs within one ramp step.</summary>
    public int StepPairs { get; init; } = 10;

    /// <summary>Pairs after which the rollout is inconclusive; later evidence is not read.</summary>
    public int MaximumPairs { get; init; } = 4000;

    /// <summary>Age at which the rollout is inconclusive.</summary>
    public TimeSpan MaximumAge { get; init; } = TimeSpan.FromDays(7);

    /// <summary>Shortest time at each ramp step.</summary>
    public TimeSpan Hold { get; init; } = TimeSpan.FromMinutes(10);

    /// <summary>Time without a new pair after which the ramp holds.</summary>
    public TimeSpan StallAfter { get; init; } = TimeSpan.FromHours(1);

    /// <summary>How long feedback on a reply still counts for its outcome.</summary>
    public TimeSpan AttributionWindow { get; init; } = TimeSpan.FromMinutes(10);

    /// <summary>Share of traffic of each arm at each step, rising, at most 0.5.</summary>
    public IReadOnlyList<double> Ramp { get; init; } = [0.01, 0.05, 0.10, 0.25, 0.50];
}
