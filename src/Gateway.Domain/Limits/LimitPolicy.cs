using System.Collections.Immutable;

namespace Gateway.Domain.Limits;

/// <summary>
/// The arithmetic of limits: reserve what a request may use, settle with what it used. The script that counts for several
/// replicas does the same steps in the same order. Pure.
/// </summary>
/// <remarks>
/// A request that may use more than the whole token bucket needs a full bucket and takes all of it; what it uses beyond that
/// becomes a debt that later requests wait for. So no minute grants more than the bucket, its refill and that one overshoot.
/// </remarks>
public static class LimitPolicy
{
    private const double MillisecondsPerMinute = 60_000;

    /// <summary>Decides on a request that may use <paramref name="estimate"/>, and the state after it.</summary>
    public static (LimitState State, LimitVerdict Verdict) Reserve(KeyLimits limits, LimitState state, TokenDemand estimate, DateTimeOffset now)
    {
        state = Refill(limits, state, now);
        if (state.Open >= limits.ConcurrentRequests)
        {
            return (state, new(LimitOutcome.Concurrency, state.Requests, state.Tokens, TimeSpan.FromSeconds(1)));
        }

        if (limits.RequestsPerMinute is { } requests && state.Requests < 1)
        {
            return (state, new(LimitOutcome.Requests, state.Requests, state.Tokens, TimeToRefill(1 - state.Requests, requests)));
        }

        var tokens = Tokens(limits, estimate);
        if (limits.TokensPerMinute is { } perMinute && tokens > 0 && state.Tokens < tokens)
        {
            return (state, new(LimitOutcome.Tokens, state.Requests, state.Tokens, TimeToRefill(tokens - state.Tokens, perMinute)));
        }

        var budgets = state.Budgets.ToBuilder();
        for (var i = 0; i < budgets.Count; i++)
        {
            var budget = limits.Budgets[i];
            var used = UsedIn(BudgetPeriods.Of(budget.Period, now), budgets[i]);
            var amount = estimate.AmountOf(budget.Unit, limits.Prices);
            if (amount > 0 && used.Used + amount > budget.Amount)
            {
                return (state, new(
                    LimitOutcome.Budget, state.Requests, state.Tokens, BudgetPeriods.EndOf(budget.Period, now) - now, i, Math.Max(0, budget.Amount - used.Used)));
            }

            budgets[i] = used with { Used = used.Used + amount };
        }

        state = state with
        {
            Requests = state.Requests - (limits.RequestsPerMinute is null ? 0 : 1),
            Tokens = state.Tokens - tokens,
            Open = state.Open + 1,
            Budgets = budgets.DrainToImmutable(),
        };
        return (state, new(LimitOutcome.Granted, state.Requests, state.Tokens));
    }

    /// <summary>The state after a request that was granted at <paramref name="reservedAt"/> has used <paramref name="actual"/>.</summary>
    /// <param name="limits">The key's limits.</param>
    /// <param name="state">The state before.</param>
    /// <param name="estimate">What was reserved.</param>
    /// <param name="actual">What was used.</param>
    /// <param name="refundRequest">True when the request failed through no fault of its caller and shall not count.</param>
    /// <param name="reservedAt">When it was granted; what it takes of a budget belongs to that period.</param>
    public static LimitState Settle(
        KeyLimits limits, LimitState state, TokenDemand estimate, TokenDemand actual, bool refundRequest, DateTimeOffset reservedAt)
    {
        var budgets = state.Budgets.ToBuilder();
        for (var i = 0; i < Math.Min(budgets.Count, limits.Budgets.Count); i++)
        {
            var budget = limits.Budgets[i];
            if (budgets[i].Period == BudgetPeriods.Of(budget.Period, reservedAt))
            {
                var used = budgets[i].Used - estimate.AmountOf(budget.Unit, limits.Prices) + actual.AmountOf(budget.Unit, limits.Prices);
                budgets[i] = budgets[i] with { Used = Math.Max(0, used) };
            }
        }

        return state with
        {
            Requests = state.Requests + (refundRequest && limits.RequestsPerMinute is not null ? 1 : 0),
            Tokens = limits.TokensPerMinute is null ? state.Tokens : state.Tokens + Tokens(limits, estimate) - actual.Total,
            Open = Math.Max(0, state.Open - 1),
            Budgets = budgets.DrainToImmutable(),
        };
    }

    /// <summary>Tokens that are reserved in the bucket for an estimate: at most all of it.</summary>
    public static double Tokens(KeyLimits limits, TokenDemand estimate) =>
        limits.TokensPerMinute is { } capacity ? Math.Min(capacity, estimate.Total) : 0;

    /// <summary>How long a bucket of <paramref name="perMinute"/> takes to refill by <paramref name="amount"/>.</summary>
    public static TimeSpan TimeToRefill(double amount, int perMinute) => TimeSpan.FromMilliseconds(Math.Ceiling(Math.Max(0, amount) * MillisecondsPerMinute / perMinute));

    private static LimitState Refill(KeyLimits limits, LimitState state, DateTimeOffset now)
    {
        var minutes = Math.Max(0, (now - state.At).TotalMilliseconds) / MillisecondsPerMinute;
        return state with
        {
            Requests = limits.RequestsPerMinute is { } requests ? Math.Min(requests, state.Requests + (minutes * requests)) : 0,
            Tokens = limits.TokensPerMinute is { } tokens ? Math.Min(tokens, state.Tokens + (minutes * tokens)) : 0,
            At = now > state.At ? now : state.At,
            Budgets = state.Budgets.Length == limits.Budgets.Count ? state.Budgets : [.. limits.Budgets.Select(_ => default(BudgetUse))],
        };
    }

    private static BudgetUse UsedIn(int period, BudgetUse use) => use.Period == period ? use : new(period, 0);
}
