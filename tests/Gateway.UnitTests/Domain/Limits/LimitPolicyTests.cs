using Gateway.Domain.Limits;
using Xunit;

namespace Gateway.UnitTests.Domain.Limits;

public sealed class LimitPolicyTests
{
    private static readonly DateTimeOffset Start = new(2026, 3, 31, 23, 0, 0, TimeSpan.Zero);

    [Fact]
    public void Reserve_RequestsUsedUp_TellsWhenTheNextFits()
    {
        var limits = new KeyLimits { RequestsPerMinute = 2 };
        var state = Grant(limits, Grant(limits, LimitState.Full(limits, Start), default, Start), default, Start);
        var (after, verdict) = LimitPolicy.Reserve(limits, state, default, Start.AddSeconds(12));
        Assert.Equal(LimitOutcome.Requests, verdict.Outcome);
        Assert.Equal(TimeSpan.FromSeconds(18), verdict.RetryAfter);
        Assert.Equal(LimitOutcome.Granted, LimitPolicy.Reserve(limits, after, default, Start.AddSeconds(30)).Verdict.Outcome);
    }

    [Fact]
    public void Reserve_TokensTooFew_TakesNothing()
    {
        var limits = new KeyLimits { RequestsPerMinute = 10, TokensPerMinute = 100 };
        var state = Grant(limits, LimitState.Full(limits, Start), new(20, 60), Start);
        var (after, verdict) = LimitPolicy.Reserve(limits, state, new(0, 50), Start);
        Assert.Equal((LimitOutcome.Tokens, 20.0), (verdict.Outcome, verdict.TokensLeft));
        Assert.Equal((state.Requests, state.Open), (after.Requests, after.Open));
        Assert.Equal(TimeSpan.FromSeconds(18), verdict.RetryAfter);
    }

    [Fact]
    public void Settle_FewerTokensThanReserved_GivesTheRestBack()
    {
        var limits = new KeyLimits { TokensPerMinute = 100, ConcurrentRequests = 1 };
        var state = Grant(limits, LimitState.Full(limits, Start), new(20, 60), Start);
        Assert.Equal(LimitOutcome.Concurrency, LimitPolicy.Reserve(limits, state, default, Start).Verdict.Outcome);
        state = LimitPolicy.Settle(limits, state, new(20, 60), new(10, 5), refundRequest: false, Start);
        Assert.Equal((85.0, 0), (state.Tokens, state.Open));
    }

    [Fact]
    public void Settle_LongerThanTheBucket_IsADebtThatLaterRequestsWaitFor()
    {
        var limits = new KeyLimits { TokensPerMinute = 100 };
        var estimate = new TokenDemand(0, 500);
        var state = Grant(limits, LimitState.Full(limits, Start), estimate, Start);
        Assert.Equal(0, state.Tokens);
        state = LimitPolicy.Settle(limits, state, estimate, new(0, 300), refundRequest: false, Start);
        Assert.Equal(-200, state.Tokens);
        var verdict = LimitPolicy.Reserve(limits, state, new(0, 10), Start.AddMinutes(2)).Verdict;
        Assert.Equal((LimitOutcome.Tokens, TimeSpan.FromSeconds(6)), (verdict.Outcome, verdict.RetryAfter));
    }

    [Fact]
    public void Reserve_BudgetOfTheDay_StartsAnewAtMidnightAndTheMonthGoesOn()
    {
        var limits = new KeyLimits { Budgets = [new(BudgetUnit.Tokens, BudgetPeriod.Day, 100), new(BudgetUnit.Cost, BudgetPeriod.Month, 1)], Prices = new(1000, 4000) };
        var used = new TokenDemand(80, 20);
        var state = Grant(limits, LimitState.Full(limits, Start), used, Start);
        var refused = LimitPolicy.Reserve(limits, state, new(1, 0), Start).Verdict;
        Assert.Equal((LimitOutcome.Budget, 0, 0.0), (refused.Outcome, refused.Budget, refused.BudgetLeft));
        Assert.Equal(TimeSpan.FromHours(1), refused.RetryAfter);

        // A month ends with this day, too.
        state = Grant(limits, state, used, Start.AddHours(1));
        Assert.Equal(0.16, state.Budgets[1].Used, 9);
        state = LimitPolicy.Settle(limits, state, used, new(40, 0), refundRequest: false, Start.AddHours(1));
        Assert.Equal((40.0, 0.04), (state.Budgets[0].Used, Math.Round(state.Budgets[1].Used, 9)));

        // What was reserved yesterday takes nothing from today.
        var unchanged = LimitPolicy.Settle(limits, state, used, default, refundRequest: true, Start);
        Assert.Equal(state.Budgets, unchanged.Budgets);
    }

    [Fact]
    public void Reserve_CallWithoutTokens_PassesADebtAndAnOverspentBudget()
    {
        var limits = new KeyLimits { TokensPerMinute = 10, Budgets = [new(BudgetUnit.Tokens, BudgetPeriod.Day, 5)] };
        var state = LimitState.Full(limits, Start) with { Tokens = -5, Budgets = [new(BudgetPeriods.Of(BudgetPeriod.Day, Start), 9)] };
        Assert.Equal(LimitOutcome.Granted, LimitPolicy.Reserve(limits, state, default, Start).Verdict.Outcome);
    }

    /// <summary>Whatever comes in whatever order, what was granted stays below the bucket, its refill and one overshoot.</summary>
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void Random_traffic_never_gets_more_than_bucket_refill_and_one_overshoot(int seed)
    {
        var limits = new KeyLimits { TokensPerMinute = 600, RequestsPerMinute = 60, ConcurrentRequests = 3 };
        var random = new TestKit.SplitMix64((ulong)seed);
        var state = LimitState.Full(limits, Start);
        var now = Start;
        var open = new Queue<(TokenDemand Estimate, DateTimeOffset At)>();
        var (requests, tokens) = (0, 0L);
        for (var i = 0; i < 5000; i++)
        {
            now = now.AddMilliseconds(random.NextUInt64() % 200);
            if (random.NextUInt64() % 2 == 0)
            {
                var estimate = new TokenDemand((long)(random.NextUInt64() % 50), (long)(random.NextUInt64() % 100));
                var (after, verdict) = LimitPolicy.Reserve(limits, state, estimate, now);
                state = after;
                if (verdict.Outcome == LimitOutcome.Granted)
                {
                    requests++;
                    open.Enqueue((estimate, now));
                }
            }
            else if (open.TryDequeue(out var done))
            {
                var actual = new TokenDemand(done.Estimate.Input, done.Estimate.Output == 0 ? 0 : (long)(random.NextUInt64() % (ulong)done.Estimate.Output));
                tokens += actual.Total;
                state = LimitPolicy.Settle(limits, state, done.Estimate, actual, refundRequest: false, done.At);
            }

            Assert.InRange(open.Count, 0, 3);
            Assert.Equal(open.Count, state.Open);
        }

        var minutes = (now - Start).TotalMinutes;
        Assert.InRange(requests, 60, 60 + (60 * minutes));
        Assert.InRange(tokens, 600, 600 + (600 * minutes));
    }

    private static LimitState Grant(KeyLimits limits, LimitState state, TokenDemand estimate, DateTimeOffset now)
    {
        var (after, verdict) = LimitPolicy.Reserve(limits, state, estimate, now);
        Assert.Equal(LimitOutcome.Granted, verdict.Outcome);
        return after;
    }
}
