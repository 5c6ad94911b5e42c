using System.Text.Json;
using Gateway.Domain.Interactions;
using Gateway.Domain.Json;
using Gateway.Domain.Rollouts;
using Gateway.Domain.Storage;
using Gateway.Jobs;
using Xunit;

namespace Gateway.UnitTests.Host.Jobs;

public sealed class RolloutControllerTests : IAsyncDisposable
{
    private readonly LearningFixture _loop = new();
    private int _units;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public ValueTask DisposeAsync() => _loop.DisposeAsync();

    [Fact]
    public async Task A_candidate_that_is_not_worse_takes_the_deployment_once()
    {
        var rollout = await StartAsync();
        await TrafficAsync(rollout, pairs: 500);
        await TickAsync();
        await TickAsync();

        var deployment = await _loop.DeploymentAsync();
        Assert.Equal((rollout.CandidateReleaseId, null), (deployment.ReleaseId, deployment.RolloutId));
        Assert.Equal(2, deployment.History.Count);
        Assert.Equal(rollout.ControlReleaseId, deployment.PreviousReleaseId);
        var entry = Assert.Single(await _loop.AuditAsync(), entry => entry.Action == "rollout.promote");
        using var numbers = JsonDocument.Parse(entry.Reason);
        Assert.True(numbers.RootElement.GetProperty("guardrails")[0].GetProperty("log_safe").GetDouble() >= Math.Log(20));
    }

    [Fact]
    public async Task Corrections_of_the_candidate_roll_it_back_and_cool_it_down()
    {
        var rollout = await StartAsync();
        await TrafficAsync(rollout, pairs: 20, dislikes: Arm.Candidate);
        await TickAsync();

        var deployment = await _loop.DeploymentAsync();
        Assert.Equal((rollout.ControlReleaseId, null), (deployment.ReleaseId, deployment.RolloutId));
        var ended = await FindAsync(rollout.Id);
        Assert.Equal((RolloutVerdict.RollbackHarm, 13L), (ended.Verdict, ended.Guardrails[2].Harm!.Pairs));
        Assert.Single(await _loop.AuditAsync(), entry => entry.Action == "rollout.rollback_harm");

        var generation = _loop.Traffic.Prepared[0];
        var again = new RolloutProposal(LearningFixture.Triage, generation, "operator", "again", OverrideGate: true);
        Assert.Equal((409, "candidate_cooling_down"), Of(await _loop.Starter.StartAsync(again, Token)));
        Assert.NotNull((await _loop.Starter.StartAsync(again with { Force = true }, Token)).Rollout);
    }

    [Fact]
    public async Task An_open_window_is_no_evidence_and_retracted_feedback_none_either()
    {
        var rollout = await StartAsync();
        await TrafficAsync(rollout, pairs: 20, dislikes: Arm.Candidate, retract: true);
        await _loop.Controller.TickAsync(Token);
        var waiting = await FindAsync(rollout.Id);
        Assert.Equal((0L, 40, 20L), (waiting.Pairs, waiting.PendingUnits.Count, waiting.Assigned.Candidate));
        Assert.Equal(60, waiting.Cursor);

        await TickAsync();
        var counted = await FindAsync(rollout.Id);
        Assert.Equal((20L, new PairCounts(0, 20, 0)), (counted.Pairs, counted.Guardrails[2].Pairs));
        Assert.Equal(RolloutVerdict.Running, counted.Verdict);
    }

    [Fact]
    public async Task A_unit_counts_once_however_often_it_asks()
    {
        var rollout = await StartAsync();
        for (var i = 0; i < 5; i++)
        {
            await ChatAsync(rollout, Arm.Candidate, "same");
            await ChatAsync(rollout, Arm.Control, "other");
        }

        await TickAsync();
        await ChatAsync(rollout, Arm.Candidate, "same");
        await TickAsync();
        var counted = await FindAsync(rollout.Id);
        Assert.Equal((1L, 1L, 1L), (counted.Pairs, counted.Analysed.Candidate, counted.Assigned.Candidate));
    }

    [Fact]
    public async Task A_restart_in_the_middle_comes_to_the_same_counts()
    {
        var rollout = await StartAsync();
        await TrafficAsync(rollout, pairs: 30);
        await TickAsync();
        await TrafficAsync(rollout, pairs: 30);
        await _loop.Controller.TickAsync(Token);
        _loop.Restart();
        await TickAsync();
        var counted = await FindAsync(rollout.Id);
        Assert.Equal((60L, 60L, 60L, 0), (counted.Pairs, counted.Assigned.Candidate, counted.Analysed.Control, counted.PendingUnits.Count));
    }

    [Fact]
    public async Task A_verdict_stored_without_its_move_is_completed_once()
    {
        var rollout = await StartAsync();
        var ended = rollout with { Verdict = RolloutVerdict.Promote, EndedAt = _loop.Clock.GetUtcNow(), Reasons = ["all safe"] };
        await _loop.Store.CommitAsync([StoredDocuments.Write(Collections.Rollouts, rollout.Id, ended, DomainJson.Default.Rollout, null)], Token);
        _loop.Restart();
        await TickAsync();
        await TickAsync();
        _loop.Restart();
        await TickAsync();
        var deployment = await _loop.DeploymentAsync();
        Assert.Equal((rollout.CandidateReleaseId, null, 2), (deployment.ReleaseId, deployment.RolloutId, deployment.History.Count));
        Assert.Single(await _loop.AuditAsync(), entry => entry.Action == "rollout.promote");
    }

    [Fact]
    public async Task A_deployment_that_an_operator_moved_ends_the_rollout_and_stays_where_it_is()
    {
        var rollout = await StartAsync();
        await TickAsync();
        await _loop.PutDeploymentAsync((await _loop.DeploymentAsync()).MoveTo("rel_other", _loop.Clock.GetUtcNow(), "operator", "emergency"));
        await TrafficAsync(rollout, pairs: 500);
        await TickAsync();
        Assert.Equal(RolloutVerdict.RollbackHard, (await FindAsync(rollout.Id)).Verdict);
        Assert.Equal("rel_other", (await _loop.DeploymentAsync()).ReleaseId);
    }

    [Fact]
    public async Task Only_the_holder_of_the_lease_acts()
    {
        var rollout = await StartAsync();
        await _loop.Controller.TickAsync(Token);
        var holder = _loop.Controller;
        _loop.Restart();
        await holder.TickAsync(Token);
        await TrafficAsync(rollout, pairs: 500);
        _loop.Clock.Advance(TimeSpan.FromMinutes(2));
        await holder.TickAsync(Token);
        Assert.Null((await _loop.DeploymentAsync()).RolloutId);

        // The other one finds nothing left to do.
        await _loop.Controller.TickAsync(Token);
        Assert.Equal(2, (await _loop.DeploymentAsync()).History.Count);
    }

    [Fact]
    public async Task Ramp_steps_are_audited_and_followed()
    {
        _loop.RolloutOptions = _loop.RolloutOptions with { Ramp = [0.1, 0.5], Hold = TimeSpan.FromMinutes(10), StepPairs = 10 };
        _loop.Restart();
        var rollout = await StartAsync();
        await TrafficAsync(rollout, pairs: 12);
        await TickAsync();
        Assert.Equal(0.1, (await FindAsync(rollout.Id)).Share);
        _loop.Clock.Advance(TimeSpan.FromMinutes(10));
        await TickAsync();
        Assert.Equal(0.5, (await FindAsync(rollout.Id)).Share);
        Assert.Single(await _loop.AuditAsync(), entry => entry.Action == "rollout.step");
    }

    [Fact]
    public async Task An_adapter_without_a_gate_needs_an_operator_who_says_so()
    {
        _loop.Launcher.Passes = false;
        await _loop.CreateDeploymentAsync();
        await _loop.CorrectAsync(60);
        await _loop.WorkAsync();
        var generation = (await _loop.JobsAsync())[0].Generation!;
        var proposal = new RolloutProposal(LearningFixture.Triage, generation, "operator", "to see it fail");
        Assert.Equal((422, "gate_not_passed"), Of(await _loop.Starter.StartAsync(proposal, Token)));
        Assert.NotNull((await _loop.Starter.StartAsync(proposal with { OverrideGate = true }, Token)).Rollout);
        Assert.Equal((409, "rollout_running"), Of(await _loop.Starter.StartAsync(proposal with { OverrideGate = true }, Token)));
        Assert.Equal((404, "not_found"), Of(await _loop.Starter.StartAsync(proposal with { Deployment = "nobody" }, Token)));
        Assert.Contains(await _loop.AuditAsync(), entry => entry is { Action: "rollout.start_gate_overridden", Actor: "operator" });
    }

    [Fact]
    public async Task An_adapter_of_another_prompt_is_refused_whatever_the_operator_says()
    {
        var deployment = await _loop.CreateDeploymentAsync();
        await _loop.CorrectAsync(60);
        await _loop.WorkAsync();
        var generation = (await _loop.JobsAsync())[0].Generation!;
        var bare = Gateway.Domain.Releases.Release.Create(null, null, new string('b', 64), "f32", _loop.Clock.GetUtcNow());
        await _loop.Store.CommitAsync([StoredDocuments.Write(Collections.Releases, bare.Id, bare, DomainJson.Default.Release, 0)], Token);
        await _loop.PutDeploymentAsync(deployment.MoveTo(bare.Id, _loop.Clock.GetUtcNow(), "operator", "no contract"));
        var proposal = new RolloutProposal(LearningFixture.Triage, generation, "operator", "why not", OverrideGate: true, Force: true);
        Assert.Equal((422, "contract_mismatch"), Of(await _loop.Starter.StartAsync(proposal, Token)));
    }

    private static (int, string) Of(RolloutStart start) => (start.Error!.Status, start.Error.Code);

    /// <summary>A rollout as the learning loop starts it.</summary>
    private async Task<Rollout> StartAsync()
    {
        await _loop.CreateDeploymentAsync();
        await _loop.CorrectAsync(60);
        await _loop.WorkAsync();
        return await FindAsync((await _loop.DeploymentAsync()).RolloutId!);
    }

    private async Task<Rollout> FindAsync(string id) => (await _loop.Rollouts.FindAsync(id, Token))!.Value.Value;

    private Task<string> ChatAsync(Rollout rollout, Arm arm, string unit) => _loop.ChatAsync("hello", i => i with
    {
        RolloutId = rollout.Id,
        Arm = arm,
        ArmShare = rollout.Share,
        UnitHash = Assignment.UnitHash(unit),
        ReleaseId = arm == Arm.Candidate ? rollout.CandidateReleaseId : rollout.ControlReleaseId,
    });

    private async Task TrafficAsync(Rollout rollout, int pairs, Arm? dislikes = null, bool retract = false)
    {
        for (var i = 0; i < pairs; i++)
        {
            foreach (var arm in (Arm[])[Arm.Candidate, Arm.Control])
            {
                var id = await ChatAsync(rollout, arm, $"unit-{_units++}");
                if (arm == dislikes)
                {
                    var said = await _loop.SayAsync(id, FeedbackKind.Thumbs, thumbs: false);
                    if (retract)
                    {
                        await _loop.Feedback.RetractAsync(said, Token);
                    }
                }
            }
        }

        await _loop.Store.FlushAsync(Token);
    }

    /// <summary>Lets attribution windows close and ticks.</summary>
    private async Task TickAsync()
    {
        await _loop.Store.FlushAsync(Token);
        _loop.Clock.Advance(TimeSpan.FromMinutes(2));
        await _loop.Controller.TickAsync(Token);
    }
}
