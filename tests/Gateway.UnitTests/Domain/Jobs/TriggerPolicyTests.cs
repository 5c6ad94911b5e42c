using FsCheck;
using FsCheck.Fluent;
using Gateway.Domain.Jobs;
using Xunit;

namespace Gateway.UnitTests.Domain.Jobs;

public class TriggerPolicyTests
{
    private static readonly DateTimeOffset Now = new(2026, 5, 1, 12, 0, 0, TimeSpan.Zero);
    private static readonly TriggerOptions Options = new();

    [Fact]
    public void Decide_FiftyRows_Starts() => Assert.True(Decide(Rows(50, TimeSpan.FromMinutes(1))).Start);

    [Fact]
    public void Decide_FortyNineRows_WaitForADay()
    {
        Assert.False(Decide(Rows(49, TimeSpan.FromHours(23))).Start);
        Assert.True(Decide(Rows(49, TimeSpan.FromHours(24))).Start);
    }

    [Fact]
    public void Decide_TenRows_StartAfterADay() => Assert.True(Decide(Rows(10, TimeSpan.FromHours(25))).Start);

    [Fact]
    public void Decide_UnderTenRows_NeverStarts()
    {
        var decision = Decide(Rows(9, TimeSpan.FromDays(365)));
        Assert.False(decision.Start);
        Assert.Contains("at least 10", decision.Reason, StringComparison.Ordinal);
    }

    [Fact]
    public void Decide_ActiveJobOrRollout_Waits()
    {
        Assert.False(Decide(Rows(500, TimeSpan.FromHours(1)) with { JobActive = true }).Start);
        Assert.False(Decide(Rows(500, TimeSpan.FromHours(1)) with { RolloutActive = true }).Start);
    }

    [Fact]
    public void Decide_CoolDown_LastsAnHourFromTheLastEnd()
    {
        var state = Rows(60, TimeSpan.FromHours(2));
        Assert.False(Decide(state with { LastJobEndedAt = Now - TimeSpan.FromMinutes(59) }).Start);
        Assert.True(Decide(state with { LastJobEndedAt = Now - TimeSpan.FromMinutes(60) }).Start);
    }

    [Fact]
    public void Decide_Burst_IsTrainedOnWhole()
    {
        // 300 corrections, ten a second: enough after five seconds, quiet after thirty.
        var burst = Enumerable.Range(0, 300).Select(i => Now.AddSeconds(i / 10.0)).ToArray();
        var start = Enumerable.Range(0, 200).Select(s => Now.AddSeconds(s))
            .First(at => TriggerPolicy.Decide(new TriggerState { NewRows = [.. burst.Where(r => r <= at)] }, Options, at).Start);
        Assert.Equal(40, (start - Now).TotalSeconds, 1.0);
    }

    [Fact]
    public void Decide_SteadyStream_WaitsAtMostTenSettles()
    {
        // A row every second for ever: enough at the 50th.
        var start = Enumerable.Range(0, 1000).First(s => TriggerPolicy.Decide(
            new TriggerState { NewRows = [.. Enumerable.Range(0, s + 1).Select(i => Now.AddSeconds(i))] }, Options, Now.AddSeconds(s)).Start);
        Assert.Equal(149, start);
    }

    [Fact]
    public void Decide_AnyState_NeverStartsWithTooFewRowsOrWithinTheCoolDown() => Prop.ForAll<int[], int>((ages, ended) =>
    {
        var state = new TriggerState
        {
            NewRows = [.. ages.Select(a => Now.AddMinutes(-Math.Abs(a % 10_000)))],
            LastJobEndedAt = Now.AddMinutes(-Math.Abs(ended % 200)),
        };
        var decision = TriggerPolicy.Decide(state, Options, Now);
        return decision.Reason.Length > 0
            && (!decision.Start || (ages.Length >= 10 && state.LastJobEndedAt <= Now - Options.CoolDown));
    }).QuickCheckThrowOnFailure();

    private static TriggerDecision Decide(TriggerState state) => TriggerPolicy.Decide(state, Options, Now);

    private static TriggerState Rows(int count, TimeSpan age) => new() { NewRows = [.. Enumerable.Repeat(Now - age, count)] };
}
