using System.Globalization;
using Gateway.Domain.Interactions;

namespace Gateway.Domain.Rollouts;

/// <summary>A step of the ramp: the share of traffic of each arm, since when, and the pairs counted before it.</summary>
public sealed record RampStep(double Share, DateTimeOffset EnteredAt, long PairsBefore);

/// <summary>
/// A candidate release on its way, with everything a decision rests on: the whole persisted state. Immutable;
/// <see cref="Advance(RolloutEvidence, DateTimeOffset)"/> gives the next state.
/// </summary>
public sealed record Rollout
{
    /// <summary><c>ro_…</c>.</summary>
    public required string Id { get; init; }

    /// <summary>The deployment whose traffic is split.</summary>
    public required string Deployment { get; init; }

    /// <summary>The release under test.</summary>
    public required string CandidateReleaseId { get; init; }

    /// <summary>The stable release it is compared with, at the same time.</summary>
    public required string ControlReleaseId { get; init; }

    /// <summary>Random and new for each rollout, so that the same users are not always canaries.</summary>
    public required string Salt { get; init; }

    /// <summary>When it started.</summary>
    public required DateTimeOffset StartedAt { get; init; }

    /// <summary>Limits and error budget.</summary>
    public required RolloutOptions Options { get; init; }

    /// <summary>The tests, in the order in which outcomes carry their values.</summary>
    public required IReadOnlyList<GuardrailState> Guardrails { get; init; }

    /// <summary>The ramp so far, oldest first; the last entry is the current step.</summary>
    public required IReadOnlyList<RampStep> Steps { get; init; }

    /// <summary>Equality of the arms in units assigned.</summary>
    public SampleRatioTest Assigned { get; init; }

    /// <summary>Equality of the arms in units analysed.</summary>
    public SampleRatioTest Analysed { get; init; }

    /// <summary>Units assigned whose outcome is not in: still within the attribution window, or missing.</summary>
    public UnitSet PendingUnits { get; init; } = UnitSet.Empty;

    /// <summary>Units already counted; their later requests change nothing.</summary>
    public UnitSet AnalysedUnits { get; init; } = UnitSet.Empty;

    /// <summary>Place in the interaction log up to which evidence is counted.</summary>
    public long Cursor { get; init; }

    /// <summary>When the last pair was counted; the start before any.</summary>
    public required DateTimeOffset LastPairAt { get; init; }

    /// <summary>Why an operator or the host paused the ramp, or null.</summary>
    public string? PausedBecause { get; init; }

    /// <summary>What is to be done.</summary>
    public RolloutVerdict Verdict { get; init; }

    /// <summary>Why, with the numbers.</summary>
    public IReadOnlyList<string> Reasons { get; init; } = [];

    /// <summary>When a final verdict fell, or null.</summary>
    public DateTimeOffset? EndedAt { get; init; }

    /// <summary>True when the verdict is final: promote, either rollback, or inconclusive.</summary>
    public bool Ended => EndedAt is not null;

    /// <summary>Share of traffic each arm gets now; 0 once ended.</summary>
    public double Share => Ended ? 0 : Steps[^1].Share;

    /// <summary>Pairs counted in every guardrail.</summary>
    public long Pairs => Guardrails.Min(g => g.Pairs.Total);

    /// <summary>Begins a rollout at the first step of the ramp.</summary>
    public static Rollout Start(
        string id, string deployment, string candidateReleaseId, string controlReleaseId, string salt,
        IReadOnlyList<Guardrail> guardrails, RolloutOptions options, DateTimeOffset now)
    {
        ArgumentOutOfRangeException.ThrowIfZero(guardrails.Count);
        if (options.Ramp.Count == 0 || options.Ramp.Any(share => share is not (> 0 and <= 0.5)))
        {
            throw new ArgumentException("The ramp needs at least one share, each above 0 and at most 0.5 per arm.", nameof(options));
        }

        return new()
        {
            Id = id,
            Deployment = deployment,
            CandidateReleaseId = candidateReleaseId,
            ControlReleaseId = controlReleaseId,
            Salt = salt,
            StartedAt = now,
            Options = options,
            Guardrails = [.. guardrails.Select(g => new GuardrailState { Guardrail = g })],
            Steps = [new RampStep(options.Ramp[0], now, 0)],
            LastPairAt = now,
        };
    }

    /// <summary>Advances on outcomes alone: their units count as assigned, the cursor stays.</summary>
    public Rollout Advance(IReadOnlyList<Outcome> outcomes, DateTimeOffset now) =>
        Advance(new RolloutEvidence { Outcomes = outcomes, Cursor = Cursor }, now);

    /// <summary>
    /// The state after <paramref name="evidence"/> at <paramref name="now"/>. 1 an ended rollout stays as it is; 2 count units
    /// and pairs, latch crossings; 3 harm rolls back; 4 unequal arms bar promotion; 5 all safe and every step held promotes;
    /// 6 the limits end it inconclusively; 7 a pause or missing data holds the ramp; 8 otherwise the ramp rises when its gates
    /// hold. Deterministic; evidence seen before changes nothing.
    /// </summary>
    public Rollout Advance(RolloutEvidence evidence, DateTimeOffset now)
    {
        // 1 Final verdicts stand.
        if (Ended)
        {
            return this;
        }

        // 2 Count.
        var next = Count(evidence, now);

        // 3 Harm.
        if (next.Guardrails.Any(g => g.Harm is not null))
        {
            return next.End(RolloutVerdict.RollbackHarm, now, next.Guardrails.Where(g => g.Harm is not null).Select(HarmReason));
        }

        // 4 Sample ratio. The age limit still applies, so a blocked rollout does not stay for ever.
        var aged = now - StartedAt >= Options.MaximumAge;
        if (next.Assigned.Alarmed || next.Analysed.Alarmed)
        {
            return aged
                ? next.End(RolloutVerdict.Inconclusive, now, [next.SampleRatioReason(), next.LimitReason(now)])
                : next with { Verdict = RolloutVerdict.BlockedSrm, Reasons = [next.SampleRatioReason()] };
        }

        // 5 Promotion.
        var safe = next.Guardrails.All(g => g.Safe is not null);
        var held = next.StepHeld(now);
        var lastStep = next.Steps.Count == Options.Ramp.Count;
        if (safe && held && lastStep && PausedBecause is null)
        {
            return next.End(RolloutVerdict.Promote, now, next.Guardrails.Select(SafeReason));
        }

        // 6 Limits. A candidate already shown safe may finish its holds.
        if (aged || (next.Pairs >= Options.MaximumPairs && !safe))
        {
            return next.End(RolloutVerdict.Inconclusive, now, [next.LimitReason(now)]);
        }

        // 7 Pause and missing data.
        if (PausedBecause is not null)
        {
            return next with { Verdict = RolloutVerdict.Hold, Reasons = [$"paused: {PausedBecause}"] };
        }

        if (now - next.LastPairAt >= Options.StallAfter && !next.Full)
        {
            return next with { Verdict = RolloutVerdict.Hold, Reasons = [$"no_data: no new pair since {next.LastPairAt:u}"] };
        }

        // 8 Ramp.
        if (held && !lastStep)
        {
            next = next with { Steps = [.. next.Steps, new RampStep(Options.Ramp[next.Steps.Count], now, next.Pairs)] };
        }

        return next with { Verdict = RolloutVerdict.Running, Reasons = [] };
    }

    /// <summary>Ends the rollout without statistics: a load failure, a contract mismatch, an operator. Idempotent.</summary>
    public Rollout RollBackHard(string reason, DateTimeOffset now) => Ended ? this : End(RolloutVerdict.RollbackHard, now, [reason]);

    /// <summary>Stops the ramp; evidence is still counted and harm still rolls back.</summary>
    public Rollout Pause(string reason) => Ended ? this : this with { PausedBecause = reason };

    /// <summary>Lets the ramp go on.</summary>
    public Rollout Resume() => this with { PausedBecause = null };

    private bool Full => Pairs >= Options.MaximumPairs;

    // A step that begins with all evidence already in gets no pairs of its own.
    private bool StepHeld(DateTimeOffset now) =>
        now - Steps[^1].EnteredAt >= Options.Hold && (Full || Pairs - Steps[^1].PairsBefore >= Options.StepPairs);

    private Rollout Count(RolloutEvidence evidence, DateTimeOffset now)
    {
        var (assigned, analysed, pending, done) = (Assigned, Analysed, PendingUnits, AnalysedUnits);
        var monitors = Guardrails.Select(g => new GuardrailMonitor(g, Options, Guardrails.Count)).ToArray();
        var before = monitors.Min(m => m.Pairs.Total);

        foreach (var unit in evidence.Assigned)
        {
            // A full rollout learns nothing more, and its sets stay bounded.
            if (!Full && unit.Arm != Arm.Stable && !done.Contains(unit.UnitHash) && !pending.Contains(unit.UnitHash))
            {
                pending = pending.Add(unit.UnitHash);
                assigned = assigned.Add(unit.Arm);
            }
        }

        foreach (var outcome in evidence.Outcomes)
        {
            if (outcome.Good.Count != monitors.Length)
            {
                throw new ArgumentException(
                    $"An outcome carries one value per guardrail: expected {monitors.Length}, got {outcome.Good.Count}.", nameof(evidence));
            }

            if (outcome.Arm == Arm.Stable || done.Contains(outcome.UnitHash) || monitors[0].Pairs.Total >= Options.MaximumPairs)
            {
                continue;
            }

            assigned = pending.Contains(outcome.UnitHash) ? assigned : assigned.Add(outcome.Arm);
            pending = pending.Remove(outcome.UnitHash);
            done = done.Add(outcome.UnitHash);
            analysed = analysed.Add(outcome.Arm);
            for (var i = 0; i < monitors.Length; i++)
            {
                monitors[i].Add(outcome.Arm, outcome.Good[i], now);
            }
        }

        return this with
        {
            Guardrails = [.. monitors.Select(m => m.ToState())],
            Assigned = assigned,
            Analysed = analysed,
            PendingUnits = pending,
            AnalysedUnits = done,
            Cursor = Math.Max(Cursor, evidence.Cursor),
            LastPairAt = monitors.Min(m => m.Pairs.Total) > before ? now : LastPairAt,
        };
    }

    private Rollout End(RolloutVerdict verdict, DateTimeOffset now, IEnumerable<string> reasons) =>
        this with { Verdict = verdict, Reasons = [.. reasons], EndedAt = now };

    private static string HarmReason(GuardrailState state) => string.Create(CultureInfo.InvariantCulture,
        $"{state.Guardrail.Name}: harm shown after {state.Harm!.Pairs} pairs (log wealth {state.Harm.LogWealth:0.00}, mean difference {state.Pairs.Mean:+0.000;-0.000;0.000})");

    private static string SafeReason(GuardrailState state) => string.Create(CultureInfo.InvariantCulture,
        $"{state.Guardrail.Name}: safe within {state.Guardrail.SafeMargin} after {state.Safe!.Pairs} pairs (log wealth {state.Safe.LogWealth:0.00}, mean difference {state.Pairs.Mean:+0.000;-0.000;0.000})");

    private string SampleRatioReason() => string.Create(CultureInfo.InvariantCulture,
        $"unequal arms: assigned {Assigned.Candidate}/{Assigned.Control}, analysed {Analysed.Candidate}/{Analysed.Control} (candidate/control); look for crashes, time-outs or lost logs in one arm");

    private string LimitReason(DateTimeOffset now) => string.Create(CultureInfo.InvariantCulture,
        $"no decision after {Pairs} pairs and {(now - StartedAt).TotalHours:0.0} h; not shown safe: {string.Join(", ", Guardrails.Where(g => g.Safe is null).Select(g => g.Guardrail.Name))}");
}
