using System.Text.Json;
using Gateway.Domain.Interactions;
using Gateway.Domain.Json;
using Gateway.Domain.Rollouts;
using Gateway.TestKit;
using Xunit;

namespace Gateway.UnitTests.Domain.Rollouts;

public class RolloutTests
{
    private static readonly DateTimeOffset Start = new(2026, 3, 1, 0, 0, 0, TimeSpan.Zero);

    [Fact]
    public void Advance_GoodCandidate_RampsThroughEveryStepAndPromotes()
    {
        var rollout = New();
        var shares = new List<double> { rollout.Share };
        var now = Start;
        for (var i = 0; !rollout.Ended && i < 1000; i++)
        {
            now += TimeSpan.FromMinutes(1);
            rollout = rollout.Advance(Batch(i, 20, candidate: 1, control: 1), now);
            if (!rollout.Ended && rollout.Share != shares[^1])
            {
                shares.Add(rollout.Share);
            }
        }

        Assert.Equal(RolloutVerdict.Promote, rollout.Verdict);
        Assert.Equal([.01, .05, .10, .25, .50], shares);
        Assert.True(now - Start >= TimeSpan.FromMinutes(50), "five steps of ten minutes each");
        Assert.Equal(3, rollout.Reasons.Count);
        Assert.Equal(0, rollout.Share);
    }

    [Fact]
    public void Advance_HoldOver_ButTooFewPairs_StaysAtTheStep()
    {
        var rollout = New().Advance(Batch(0, 9, 1, 1), Start + TimeSpan.FromMinutes(30));
        Assert.Equal(.01, rollout.Share);
        Assert.Equal(.05, rollout.Advance(Batch(1, 1, 1, 1), Start + TimeSpan.FromMinutes(31)).Share);
    }

    [Fact]
    public void Advance_BrokenCandidate_RollsBackAfterThirteenPairs()
    {
        var rollout = New();
        for (var i = 0; !rollout.Ended; i++)
        {
            rollout = rollout.Advance(Batch(i, 1, candidate: 0, control: 1), Start + TimeSpan.FromSeconds(i));
        }

        Assert.Equal(RolloutVerdict.RollbackHarm, rollout.Verdict);
        Assert.Equal(13, rollout.Pairs);
        Assert.Contains("harm shown after 13 pairs", rollout.Reasons[0], StringComparison.Ordinal);
        Assert.Same(rollout, rollout.Advance(Batch(99, 50, 1, 0), Start + TimeSpan.FromDays(1)));
    }

    [Fact]
    public void Advance_HarmWithinOneBatch_IsLatchedThoughTheWealthFallsAgain()
    {
        var evidence = Batch(0, 13, 0, 1).Concat(Batch(1, 200, 1, 0)).ToList();
        var rollout = New().Advance(evidence, Start);
        Assert.Equal(RolloutVerdict.RollbackHarm, rollout.Verdict);
        Assert.Equal(13, rollout.Guardrails[0].Harm!.Pairs);
    }

    [Fact]
    public void Advance_MaximumPairsWithoutSafety_IsInconclusiveAndNeverPromotes()
    {
        // Ties only, on a guardrail whose margin is too small to be shown within the cap.
        var rollout = New(new RolloutOptions { MaximumPairs = 200 }).Advance(Batch(0, 500, 1, 1), Start + TimeSpan.FromHours(1));
        Assert.Equal(RolloutVerdict.Inconclusive, rollout.Verdict);
        Assert.Equal(200, rollout.Pairs);
        Assert.Equal(0, rollout.Share);
        Assert.Equal(RolloutVerdict.Inconclusive, rollout.Advance(Batch(1, 500, 1, 0), Start + TimeSpan.FromDays(2)).Verdict);
    }

    [Fact]
    public void Advance_MaximumAge_IsInconclusive()
    {
        var rollout = New().Advance(Batch(0, 20, 1, 1), Start + TimeSpan.FromDays(7));
        Assert.Equal(RolloutVerdict.Inconclusive, rollout.Verdict);
        Assert.Contains("schema_valid, complete, quality", rollout.Reasons[0], StringComparison.Ordinal);
    }

    [Fact]
    public void Advance_SafeAtTheCap_FinishesItsHoldsAndPromotes()
    {
        var rollout = New(new RolloutOptions { MaximumPairs = 1500 }).Advance(Batch(0, 1500, 1, 1), Start + TimeSpan.FromMinutes(10));
        Assert.Equal(RolloutVerdict.Running, rollout.Verdict);
        for (var minutes = 20; minutes <= 120 && !rollout.Ended; minutes += 10)
        {
            rollout = rollout.Advance([], Start + TimeSpan.FromMinutes(minutes));
        }

        Assert.Equal(RolloutVerdict.Promote, rollout.Verdict);
    }

    [Fact]
    public void Advance_FailuresOfOneArmLost_BlocksOnSampleRatio()
    {
        // The candidate fails 30 % of its requests and the log loses exactly those: what is left looks perfect.
        var random = new SplitMix64(3);
        var rollout = New();
        for (var i = 0; i < 60; i++)
        {
            rollout = rollout.Advance(
                [.. Batch(i, 20, 1, 1).Where(o => o.Arm == Arm.Control || random.NextBool(.7))], Start + TimeSpan.FromMinutes(i));
        }

        Assert.Equal(RolloutVerdict.BlockedSrm, rollout.Verdict);
        Assert.NotEqual(.50, rollout.Share);
        Assert.All(rollout.Guardrails, g => Assert.NotNull(g.Safe));

        var harmed = rollout.Advance(Batch(1000, 2000, 0, 1), Start + TimeSpan.FromHours(2));
        Assert.Equal(RolloutVerdict.RollbackHarm, harmed.Verdict);
        Assert.Equal(RolloutVerdict.Inconclusive, rollout.Advance([], Start + TimeSpan.FromDays(8)).Verdict);
    }

    [Fact]
    public void Advance_NoData_HoldsAndComesBack()
    {
        var rollout = New().Advance([], Start + TimeSpan.FromHours(1));
        Assert.Equal(RolloutVerdict.Hold, rollout.Verdict);
        Assert.StartsWith("no_data", rollout.Reasons[0], StringComparison.Ordinal);
        Assert.Equal(RolloutVerdict.Running, rollout.Advance(Batch(0, 1, 1, 1), Start + TimeSpan.FromHours(2)).Verdict);
    }

    [Fact]
    public void Pause_StopsTheRampButNotHarm()
    {
        var paused = New().Pause("checking a report").Advance(Batch(0, 1500, 1, 1), Start + TimeSpan.FromHours(2));
        Assert.Equal(RolloutVerdict.Hold, paused.Verdict);
        Assert.Equal(.01, paused.Share);
        Assert.Equal(.05, paused.Resume().Advance([], Start + TimeSpan.FromHours(2)).Share);
        Assert.Equal(RolloutVerdict.RollbackHarm, paused.Advance(Batch(1, 500, 0, 1), Start + TimeSpan.FromHours(3)).Verdict);
    }

    [Fact]
    public void RollBackHard_EndsAtOnceAndOnce()
    {
        var ended = New().RollBackHard("adapter failed to load", Start);
        Assert.Equal(RolloutVerdict.RollbackHard, ended.Verdict);
        Assert.Same(ended, ended.RollBackHard("again", Start));
    }

    [Fact]
    public void Advance_DuplicateEvidence_ChangesNothing()
    {
        var batch = Batch(0, 25, .5, .9);
        var once = New().Advance(batch, Start);
        var twice = once.Advance(batch, Start);
        Assert.Equal(Json(once), Json(twice));
    }

    [Fact]
    public void Advance_SecondOutcomeOfAUnit_IsIgnored()
    {
        var unit = Assignment.UnitHash("u");
        var rollout = New().Advance(
            [new Outcome(unit, Arm.Candidate, [true, true, true]), new Outcome(unit, Arm.Candidate, [false, false, false])], Start);
        Assert.Equal("1", rollout.Guardrails[0].Unpaired);
        Assert.Equal(1, rollout.Analysed.Candidate);
    }

    [Fact]
    public void Advance_PairsTheKthOfEachArm_WhateverTheInterleaving()
    {
        var outcomes = Batch(0, 60, .5, .7);
        var interleaved = New().Advance(outcomes, Start);
        var armByArm = New().Advance([.. outcomes.OrderBy(o => o.Arm)], Start);
        Assert.Equal(interleaved.Guardrails.Select(g => g.Pairs), armByArm.Guardrails.Select(g => g.Pairs));
    }

    [Fact]
    public void Advance_RestartedAfterEveryBatch_GivesTheSameState()
    {
        var straight = New();
        var restarted = New();
        for (var i = 0; i < 30; i++)
        {
            var batch = Batch(i, 7, .85, .9);
            var now = Start + TimeSpan.FromMinutes(i);
            straight = straight.Advance(batch, now);
            restarted = JsonSerializer.Deserialize(Json(restarted), DomainJson.Default.Rollout)!.Advance(batch, now);
        }

        Assert.Equal(Json(straight), Json(restarted));
    }

    [Fact]
    public void Advance_AssignedWithoutOutcome_IsCountedAsPending()
    {
        var rollout = New().Advance(
            new RolloutEvidence
            {
                Assigned = [new(Assignment.UnitHash("a"), Arm.Candidate), new(Assignment.UnitHash("b"), Arm.Control), new(Assignment.UnitHash("c"), Arm.Stable)],
                Outcomes = [new Outcome(Assignment.UnitHash("a"), Arm.Candidate, [true, true, true])],
                Cursor = 17,
            },
            Start);

        Assert.Equal((1, 1), (rollout.Assigned.Candidate, rollout.Assigned.Control));
        Assert.Equal((1, 0), (rollout.Analysed.Candidate, rollout.Analysed.Control));
        Assert.Equal(1, rollout.PendingUnits.Count);
        Assert.Equal(17, rollout.Cursor);
    }

    [Fact]
    public void Decision_HoldsTheNumbersItRestsOn()
    {
        var rollout = New().Advance(Batch(0, 20, 0, 1), Start);
        var decision = RolloutDecision.From(rollout, "rollout controller", Start);
        var other = RolloutDecision.From(New(new RolloutOptions { HarmError = .1 }), "x", Start);
        var json = JsonSerializer.Serialize(decision, DomainJson.Default.RolloutDecision);

        Assert.Equal(RolloutVerdict.RollbackHarm, decision.Verdict);
        Assert.Equal(-1, decision.Guardrails[0].MeanDifference);
        Assert.True(decision.Guardrails[0].High < 0);
        Assert.NotEqual(decision.ConfigurationHash, other.ConfigurationHash);
        Assert.Contains("\"verdict\":\"rollback_harm\"", json, StringComparison.Ordinal);
    }

    private static Rollout New(RolloutOptions? options = null) =>
        Rollout.Start("ro_1", "triage", "rel_new", "rel_old", "salt", Guardrail.Defaults, options ?? new RolloutOptions(), Start);

    // 'pairs' units per arm, alternating; every guardrail gets the same outcome.
    private static List<Outcome> Batch(int number, int pairs, double candidate, double control)
    {
        var random = new SplitMix64((ulong)number + 1);
        var outcomes = new List<Outcome>();
        for (var i = 0; i < pairs; i++)
        {
            Add(Arm.Candidate, candidate);
            Add(Arm.Control, control);

            void Add(Arm arm, double rate)
            {
                var good = random.NextBool(rate);
                outcomes.Add(new Outcome(Assignment.UnitHash($"{number}/{i}/{arm}"), arm, [good, good, good]));
            }
        }

        return outcomes;
    }

    private static string Json(Rollout rollout) => JsonSerializer.Serialize(rollout, DomainJson.Default.Rollout);
}
