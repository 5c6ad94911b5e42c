using Gateway.Domain.Rollouts;
using Gateway.TestKit;
using Xunit;

namespace Gateway.UnitTests.Domain.Rollouts;

public class SequentialTestTests
{
    private static readonly SequentialTest Three = new(new Guardrail("q", 0, 0.03));
    private static readonly SequentialTest Five = new(new Guardrail("q", 0, 0.05));

    [Theory]
    [InlineData(10, 80, 5, 0.446992, -0.602668, -0.402585)]
    [InlineData(30, 440, 10, 3.858806, -0.976298, -0.229098)]
    [InlineData(45, 410, 45, -0.808220, 0.510955, 2.258984)]
    [InlineData(9, 282, 9, -0.429073, 1.259418, 3.687398)]
    [InlineData(60, 800, 60, -0.887246, 1.970698, 6.758755)]
    public void Wealth_GoldenCounts(long lost, long tied, long won, double harm, double safeThree, double safeFive)
    {
        var pairs = new PairCounts(lost, tied, won);
        Assert.Equal(harm, Three.LogHarm(pairs), 1e-6);
        Assert.Equal(safeThree, Three.LogSafe(pairs), 1e-6);
        Assert.Equal(safeFive, Five.LogSafe(pairs), 1e-6);
    }

    [Theory]
    [InlineData(45, 410, 45, -0.0613, 0.0613)]
    [InlineData(60, 1880, 60, -0.0178, 0.0178)]
    [InlineData(30, 440, 10, -0.0874, -0.0008)]
    public void Interval_GoldenCounts(long lost, long tied, long won, double low, double high)
    {
        var interval = SequentialTest.Interval(new PairCounts(lost, tied, won));
        Assert.Equal(low, interval.Low, 1e-3);
        Assert.Equal(high, interval.High, 1e-3);
    }

    [Fact]
    public void Interval_NoPairs_IsEverything() => Assert.Equal((-1.0, 1.0), SequentialTest.Interval(default));

    [Theory]
    [InlineData(20, 10)]
    [InlineData(60, 13)]
    public void HarmReaches_EveryPairLost_CrossesAt(double wealth, int expected)
    {
        var first = Enumerable.Range(1, 100).First(n => Three.HarmReaches(Math.Log(wealth), new PairCounts(n, 0, 0)));
        Assert.Equal(expected, first);
    }

    [Fact]
    public void Wealth_FromCounters_EqualsIncrementalLogsInAnyOrder()
    {
        var random = new SplitMix64(7);
        var logs = new double[SequentialTest.Grid.Count];
        PairCounts first = default, second = default;
        for (var n = 0; n < 3000; n++)
        {
            var (candidate, control) = (random.NextBool(.9), random.NextBool(.92));
            var d = (candidate ? 1 : 0) - (control ? 1 : 0);
            for (var i = 0; i < logs.Length; i++)
            {
                logs[i] += Math.Log(1 + (SequentialTest.Grid[i] * -d));
            }

            // Two replicas count alternate pairs; their sum is what one would have counted.
            (first, second) = n % 2 == 0 ? (first.Add(candidate, control), second) : (first, second.Add(candidate, control));
        }

        var expected = Math.Log(logs.Average(Math.Exp));
        Assert.Equal(expected, Three.LogHarm(first + second), 1e-9);
    }

    [Theory]
    [InlineData(2000, 0.022)]
    [InlineData(10_000, 0.032)]
    public void Harm_EqualArms_IsRarelyEverShown(int cap, double published)
    {
        // A safe margin of −1 can never be shown, so only the harm process ends a run.
        var row = new SimulationRow("harm alone", [new SimulatedGuardrail(-0.99, .09, .09)], cap, .05, .05, published, 0, cap, cap);
        var result = RolloutSimulation.Run(row, 1000, seed: 11);
        Assert.Equal(0, result.Promote);
        Assert.InRange(result.Rollback, published - 0.0175, published + 0.0175);
    }
}
