using System.Globalization;
using Gateway.Training.Evaluation;

namespace Gateway.Training;

/// <summary>One condition of the gate with its numbers.</summary>
public sealed record GateCondition(string Name, bool Passed, string Reason);

/// <summary>The gate's decision.</summary>
public sealed record GateVerdict(bool Passed, IReadOnlyList<GateCondition> Conditions)
{
    /// <summary>All reasons in one line.</summary>
    public string Summary => string.Join("; ", Conditions.Select(condition => $"{condition.Name}: {(condition.Passed ? "passed" : "FAILED")} ({condition.Reason})"));
}

/// <summary>
/// Decides whether a candidate may start a canary: a pure conjunction over an evaluation report. A candidate that is better
/// on one measure and worse on another is blocked with the reason.
/// </summary>
public static class PromotionGate
{
    /// <summary>Largest loss of accuracy or validity the lower end of the interval may show.</summary>
    public const double NonInferiorityMargin = 0.02;

    /// <summary>Fewest paired items a decision needs.</summary>
    public const int MinimumItems = 5;

    /// <summary>The verdict for <paramref name="report"/>; <paramref name="maxForgetting"/> in nats per token.</summary>
    public static GateVerdict Decide(EvaluationReport report, double maxForgetting)
    {
        var gain = report.AccuracyGain;
        var valid = report.ValidGain;
        var forgetting = report.Forgetting;
        GateCondition[] conditions =
        [
            new(
                "items",
                gain.N >= MinimumItems,
                $"{gain.N} frozen test items, at least {MinimumItems} needed"),
            new(
                "accuracy",
                gain.Value > 0 && gain.Low >= -NonInferiorityMargin,
                Text($"stable {report.StableAccuracy.Value:F3}, candidate {report.CandidateAccuracy.Value:F3}, gain {gain.Value:+0.000;-0.000} [{gain.Low:F3}, {gain.High:F3}] must be positive with a lower end of at least {-NonInferiorityMargin:F2}")),
            new(
                "validity",
                valid.Low >= -NonInferiorityMargin,
                Text($"stable {report.StableValid.Value:F3}, candidate {report.CandidateValid.Value:F3}, gain {valid.Value:+0.000;-0.000} [{valid.Low:F3}, {valid.High:F3}] must have a lower end of at least {-NonInferiorityMargin:F2}")),
            new(
                "forgetting",
                forgetting.N > 0 && forgetting.High <= maxForgetting,
                Text($"loss on {forgetting.N} general prompts {forgetting.Value:+0.000;-0.000} [{forgetting.Low:F3}, {forgetting.High:F3}] nats/token, the upper end may be at most {maxForgetting:F2}")),
        ];
        return new GateVerdict(conditions.All(condition => condition.Passed), conditions);
    }

    private static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
