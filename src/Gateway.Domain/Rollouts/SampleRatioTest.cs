using Gateway.Domain.Interactions;

namespace Gateway.Domain.Rollouts;

/// <summary>
/// Sequential Dirichlet–multinomial test that both arms get the same number of units (Lindon and Malek, "Anytime-valid
/// inference for multinomial count data"). An alarm usually means that one arm loses units to crashes, timeouts or lost logs.
/// </summary>
/// <param name="Candidate">Units of the candidate so far.</param>
/// <param name="Control">Units of the control so far.</param>
/// <param name="LogBayesFactor">Log Bayes factor against equal shares.</param>
/// <param name="Alarmed">True from the first unit at which the factor reached 1,000; it stays.</param>
public readonly record struct SampleRatioTest(long Candidate, long Control, double LogBayesFactor, bool Alarmed)
{
    private const double PriorWeight = 100;
    private const double Share = 0.5;

    /// <summary>The Bayes factor that raises the alarm, so a false alarm has probability at most 0.001.</summary>
    public const double AlarmFactor = 1000;

    private static readonly double LogAlarm = Math.Log(AlarmFactor);

    /// <summary>The test after one more unit of <paramref name="arm"/>, which is candidate or control.</summary>
    public SampleRatioTest Add(Arm arm)
    {
        var seen = arm switch
        {
            Arm.Candidate => Candidate,
            Arm.Control => Control,
            _ => throw new ArgumentOutOfRangeException(nameof(arm), arm, "Only the candidate and the control are counted."),
        };
        var predicted = ((PriorWeight * Share) + seen) / (PriorWeight + Candidate + Control);
        var factor = LogBayesFactor + Math.Log(predicted / Share);
        return new(
            arm == Arm.Candidate ? Candidate + 1 : Candidate,
            arm == Arm.Control ? Control + 1 : Control,
            factor,
            Alarmed || factor >= LogAlarm);
    }
}
