using System.Collections.Immutable;

namespace Gateway.Domain.Limits;

/// <summary>What was used of one budget in the period it was last used in.</summary>
public readonly record struct BudgetUse(int Period, double Used);

/// <summary>
/// How much of a key's limits is used at a moment. Immutable; <see cref="LimitPolicy"/> makes the next one. The order of
/// <see cref="Budgets"/> is that of the limits.
/// </summary>
/// <param name="Requests">Requests left in the bucket.</param>
/// <param name="Tokens">Tokens left in the bucket; below zero when a reply was longer than reserved.</param>
/// <param name="At">When both were computed.</param>
/// <param name="Open">Replies under way.</param>
/// <param name="Budgets">Use of the budgets.</param>
public sealed record LimitState(double Requests, double Tokens, DateTimeOffset At, int Open, ImmutableArray<BudgetUse> Budgets)
{
    /// <summary>Full buckets and unused budgets.</summary>
    public static LimitState Full(KeyLimits limits, DateTimeOffset now) =>
        new(limits.RequestsPerMinute ?? 0, limits.TokensPerMinute ?? 0, now, 0, [.. limits.Budgets.Select(_ => default(BudgetUse))]);
}
