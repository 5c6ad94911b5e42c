using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Gateway.Domain.Json;

namespace Gateway.Domain.Rollouts;

/// <summary>One guardrail's part of a decision record; the interval is anytime-valid at 95 %.</summary>
public sealed record GuardrailEvidence(
    Guardrail Guardrail, PairCounts Pairs, double LogHarm, double LogSafe, double MeanDifference, double Low, double High,
    Crossing? Harm, Crossing? Safe);

/// <summary>Everything a rollout decision rests on, so that it can be recomputed by anyone.</summary>
public sealed record RolloutDecision
{
    /// <summary>The rollout.</summary>
    public required string RolloutId { get; init; }

    /// <summary>The deployment.</summary>
    public required string Deployment { get; init; }

    /// <summary>The candidate release.</summary>
    public required string CandidateReleaseId { get; init; }

    /// <summary>The control release.</summary>
    public required string ControlReleaseId { get; init; }

    /// <summary>The assignment salt.</summary>
    public required string Salt { get; init; }

    /// <summary>The ramp as it went.</summary>
    public required IReadOnlyList<RampStep> Steps { get; init; }

    /// <summary>The options it ran under.</summary>
    public required RolloutOptions Options { get; init; }

    /// <summary>The bets Λ.</summary>
    public required IReadOnlyList<double> Bets { get; init; }

    /// <summary>The evidence by guardrail.</summary>
    public required IReadOnlyList<GuardrailEvidence> Guardrails { get; init; }

    /// <summary>Sample ratio of assigned units.</summary>
    public required SampleRatioTest Assigned { get; init; }

    /// <summary>Sample ratio of analysed units.</summary>
    public required SampleRatioTest Analysed { get; init; }

    /// <summary>Units assigned without an outcome.</summary>
    public required int MissingUnits { get; init; }

    /// <summary>The verdict.</summary>
    public required RolloutVerdict Verdict { get; init; }

    /// <summary>Why.</summary>
    public required IReadOnlyList<string> Reasons { get; init; }

    /// <summary>When.</summary>
    public required DateTimeOffset At { get; init; }

    /// <summary>Who or what decided.</summary>
    public required string Actor { get; init; }

    /// <summary>SHA-256 of options, guardrails and bets in canonical JSON: equal for equal rules.</summary>
    public required string ConfigurationHash { get; init; }

    /// <summary>The record of the decision <paramref name="rollout"/> stands at.</summary>
    public static RolloutDecision From(Rollout rollout, string actor, DateTimeOffset at) => new()
    {
        RolloutId = rollout.Id,
        Deployment = rollout.Deployment,
        CandidateReleaseId = rollout.CandidateReleaseId,
        ControlReleaseId = rollout.ControlReleaseId,
        Salt = rollout.Salt,
        Steps = rollout.Steps,
        Options = rollout.Options,
        Bets = SequentialTest.Grid,
        Guardrails = [.. rollout.Guardrails.Select(Evidence)],
        Assigned = rollout.Assigned,
        Analysed = rollout.Analysed,
        MissingUnits = rollout.PendingUnits.Count,
        Verdict = rollout.Verdict,
        Reasons = rollout.Reasons,
        At = rollout.EndedAt ?? at,
        Actor = actor,
        ConfigurationHash = HashConfiguration(rollout),
    };

    private static GuardrailEvidence Evidence(GuardrailState state)
    {
        var test = new SequentialTest(state.Guardrail);
        var (low, high) = SequentialTest.Interval(state.Pairs);
        return new(
            state.Guardrail, state.Pairs, test.LogHarm(state.Pairs), test.LogSafe(state.Pairs), state.Pairs.Mean, low, high,
            state.Harm, state.Safe);
    }

    private static string HashConfiguration(Rollout rollout)
    {
        var text = new StringBuilder("gateway-rollout-v1\n")
            .Append(CanonicalJson.Write(JsonSerializer.SerializeToUtf8Bytes(rollout.Options, DomainJson.Default.RolloutOptions))).Append('\n');
        foreach (var state in rollout.Guardrails)
        {
            text.Append(CanonicalJson.Write(JsonSerializer.SerializeToUtf8Bytes(state.Guardrail, DomainJson.Default.Guardrail))).Append('\n');
        }

        text.AppendJoin(',', SequentialTest.Grid.Select(bet => bet.ToString("R", System.Globalization.CultureInfo.InvariantCulture)));
        return Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text.ToString())));
    }
}
