using Gateway.Domain.Interactions;
using Gateway.Domain.Rollouts;
using Gateway.TestKit;
using Xunit;

namespace Gateway.UnitTests.Domain.Rollouts;

public class SampleRatioTestTests
{
    [Fact]
    public void Add_EqualArms_NeverAlarms() =>
        Assert.All(Enumerable.Range(0, 100), seed => Assert.Null(FirstAlarm(.5, (ulong)seed, 20_000)));

    [Theory]
    [InlineData(.45, 1558)]
    [InlineData(.40, 442)]
    public void Add_SkewedArms_AlarmsAtThePublishedMedian(double share, int published)
    {
        var alarms = Enumerable.Range(0, 1000).Select(seed => FirstAlarm(share, (ulong)seed + 1000, 20_000) ?? int.MaxValue).Order().ToArray();
        Assert.InRange(published, alarms[450], alarms[550]);
    }

    [Fact]
    public void Add_AnyOrder_SameFactor()
    {
        SampleRatioTest forward = default, backward = default;
        for (var i = 0; i < 500; i++)
        {
            forward = forward.Add(i < 200 ? Arm.Candidate : Arm.Control);
            backward = backward.Add(i < 300 ? Arm.Control : Arm.Candidate);
        }

        Assert.Equal(forward.LogBayesFactor, backward.LogBayesFactor, 1e-9);
    }

    private static int? FirstAlarm(double share, ulong seed, int units)
    {
        var random = new SplitMix64(seed * 7919);
        SampleRatioTest test = default;
        for (var n = 1; n <= units; n++)
        {
            test = test.Add(random.NextBool(share) ? Arm.Candidate : Arm.Control);
            if (test.Alarmed)
            {
                return n;
            }
        }

        return null;
    }
}
