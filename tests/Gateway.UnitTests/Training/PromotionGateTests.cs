using Gateway.Training;
using Gateway.Training.Evaluation;
using Xunit;

namespace Gateway.UnitTests.Training;

public sealed class PromotionGateTests
{
    private static readonly EvaluationReport Good = new()
    {
        StableAccuracy = Interval.Proportion(0, 60),
        CandidateAccuracy = Interval.Proportion(40, 60),
        AccuracyGain = new Interval(0.66, 0.55, 0.77, 60),
        StableValid = Interval.Proportion(0, 60),
        CandidateValid = Interval.Proportion(60, 60),
        ValidGain = new Interval(1, 1, 1, 60),
        Forgetting = new Interval(0.05, 0.01, 0.09, 60),
        Items = [],
    };

    [Fact]
    public void A_better_candidate_that_forgets_little_passes()
    {
        var verdict = PromotionGate.Decide(Good, maxForgetting: 0.25);
        Assert.True(verdict.Passed);
        Assert.Contains("candidate 0.667", verdict.Summary, StringComparison.Ordinal);
    }

    public static TheoryData<string, EvaluationReport> Blocked => new()
    {
        { "items", Good with { AccuracyGain = Good.AccuracyGain with { N = 4 } } },
        { "accuracy", Good with { AccuracyGain = new Interval(0.02, -0.03, 0.07, 60) } },
        { "accuracy", Good with { AccuracyGain = new Interval(0, 0, 0, 60) } },
        { "validity", Good with { ValidGain = new Interval(-0.05, -0.1, 0, 60) } },
        { "forgetting", Good with { Forgetting = new Interval(0.2, 0.1, 0.3, 60) } },
        { "forgetting", Good with { Forgetting = Interval.PairedDifference([]) } },
    };

    [Theory]
    [MemberData(nameof(Blocked))]
    public void One_failed_condition_blocks_and_is_named(string condition, EvaluationReport report)
    {
        var verdict = PromotionGate.Decide(report, maxForgetting: 0.25);
        Assert.False(verdict.Passed);
        Assert.Equal([condition], verdict.Conditions.Where(entry => !entry.Passed).Select(entry => entry.Name));
    }
}
