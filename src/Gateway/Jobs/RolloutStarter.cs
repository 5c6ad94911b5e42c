using System.Security.Cryptography;
using Gateway.Api;
using Gateway.Api.Wire;
using Gateway.Domain.Jobs;
using Gateway.Domain.Json;
using Gateway.Domain.Rollouts;
using Gateway.Domain.Storage;
using Gateway.Hosting;
using Gateway.Storage;

namespace Gateway.Jobs;

/// <summary>A started rollout, or the error that says why there is none.</summary>
public readonly record struct RolloutStart(Rollout? Rollout, ApiError? Error);

/// <summary>What starts a rollout.</summary>
/// <param name="Deployment">Whose traffic is split.</param>
/// <param name="Generation">The candidate's adapter.</param>
/// <param name="Actor">Who or what starts it.</param>
/// <param name="Reason">Why.</param>
/// <param name="OverrideGate">Start although the gate failed or was never asked.</param>
/// <param name="Force">Start although this candidate was rolled back before.</param>
public sealed record RolloutProposal(string Deployment, string Generation, string Actor, string Reason, bool OverrideGate = false, bool Force = false);

/// <summary>Starts rollouts for the learning loop and for operators. Thread-safe.</summary>
public sealed class RolloutStarter(
    IDocumentStore documents, ControlPlane control, RolloutStore rollouts, ReleaseBuilder releases, ContractReader contracts, AdapterRegistry adapters, ICandidateTraffic traffic,
    LearningOptions options, TimeProvider clock)
{
    /// <summary>
    /// 1 the deployment must be free; 2 the candidate is the stable release with another adapter, which must be bound to the
    /// same prompt and base; 3 it must have passed its gate, unless overridden; 4 it must not have been rolled back, unless
    /// forced; 5 every worker loads it and reads its prompt; 6 one audited commit stores release and rollout and points the deployment at it.
    /// </summary>
    public async Task<RolloutStart> StartAsync(RolloutProposal proposal, CancellationToken cancellationToken)
    {
        // 1 Deployment.
        if (await documents.FindAsync(Collections.Deployments, proposal.Deployment, DomainJson.Default.Deployment, cancellationToken) is not { } deployment)
        {
            return new(null, ApiError.NotFound("deployment", proposal.Deployment, "deployment"));
        }

        if (deployment.Value.RolloutId is { } running)
        {
            return new(null, Running(running));
        }

        // 2 Candidate.
        var stable = await releases.FindAsync(deployment.Value.ReleaseId, cancellationToken);
        var contract = stable is null ? null : await contracts.OfAsync(stable, cancellationToken);
        var (candidate, releaseWrite, mismatch) = await releases.BuildAsync(contract, proposal.Generation, force: false, cancellationToken);
        if (candidate is null)
        {
            return new(null, mismatch);
        }

        if (candidate.Id == deployment.Value.ReleaseId)
        {
            return new(null, ApiError.Conflict("already_serving", "This adapter serves the deployment already. Choose another generation.", "generation"));
        }

        // 3 Gate.
        if (!proposal.OverrideGate && !await PassedGateAsync(proposal.Generation, cancellationToken))
        {
            return new(null, new ApiError(
                422, "invalid_request_error", "gate_not_passed",
                "The adapter failed its gate or has none. Read GET /v1/jobs for the reasons; to try it all the same, send 'override_gate': true with a reason.", "generation"));
        }

        // 4 Cool-down.
        if (!proposal.Force && await RolledBackByAsync(candidate.Id, cancellationToken) is { } earlier)
        {
            return new(null, ApiError.Conflict(
                "candidate_cooling_down",
                $"Rollout '{earlier}' rolled this candidate back, and every attempt is a new test with its own chance of error. Train a new candidate, or send 'force': true with a reason.", "generation"));
        }

        // 5 Workers.
        if (await traffic.PrepareAsync(proposal.Deployment, proposal.Generation, candidate, cancellationToken) is { } unready)
        {
            return new(null, unready);
        }

        // 6 Commit.
        var now = clock.GetUtcNow();
        var rollout = Rollout.Start(
            $"ro_{now:yyyyMMddHHmmss}_{RandomNumberGenerator.GetHexString(6, lowercase: true)}", proposal.Deployment, candidate.Id,
            deployment.Value.ReleaseId, RandomNumberGenerator.GetHexString(32, lowercase: true), Guardrail.Defaults, options.Rollout, now);
        var start = await control.ApplyAsync(
            proposal.Actor, ActionOf(proposal), rollout.Id, $"{proposal.Deployment}: {proposal.Generation}: {proposal.Reason}",
            async token =>
            {
                var current = await documents.FindAsync(Collections.Deployments, proposal.Deployment, DomainJson.Default.Deployment, token);
                if (current is not { } free || free.Value.RolloutId is not null || free.Value.ReleaseId != rollout.ControlReleaseId)
                {
                    return new ControlDecision<RolloutStart>([], new(null, Running(current?.Value.RolloutId)));
                }

                DocumentWrite[] writes =
                [
                    StoredDocuments.Write(Collections.Rollouts, rollout.Id, rollout, DomainJson.Default.Rollout, expectedVersion: 0),
                    StoredDocuments.Write(
                        Collections.Deployments, proposal.Deployment, free.Value with { RolloutId = rollout.Id }, DomainJson.Default.Deployment, free.Version),
                ];
                return new ControlDecision<RolloutStart>(releaseWrite is null ? writes : [releaseWrite, .. writes], new(rollout, null));
            },
            cancellationToken);
        if (start.Rollout is not null)
        {
            await traffic.FollowStoreAsync(cancellationToken);
        }

        return start;
    }

    private static string ActionOf(RolloutProposal proposal) => (proposal.OverrideGate, proposal.Force) switch
    {
        (true, true) => "rollout.start_forced_gate_overridden",
        (true, false) => "rollout.start_gate_overridden",
        (false, true) => "rollout.start_forced",
        _ => "rollout.start",
    };

    private static ApiError Running(string? id) => ApiError.Conflict(
        "rollout_running",
        id is null
            ? "The deployment was moved meanwhile. Read it again and repeat the call."
            : $"Rollout '{id}' is under way on this deployment. Wait for its verdict or abort it with POST /v1/rollouts/{id}/abort.",
        "deployment");

    // A release is named by adapter and contract, so ended rollouts are the cool-down list.
    private async Task<string?> RolledBackByAsync(string releaseId, CancellationToken cancellationToken)
    {
        await foreach (var (rollout, _) in rollouts.ListAsync(cancellationToken))
        {
            if (rollout.CandidateReleaseId == releaseId && rollout.Verdict is RolloutVerdict.RollbackHarm or RolloutVerdict.RollbackHard)
            {
                return rollout.Id;
            }
        }

        return null;
    }

    private async Task<bool> PassedGateAsync(string generation, CancellationToken cancellationToken) =>
        await adapters.FindAsync(generation, cancellationToken) is { RunId: { } run }
        && await documents.FindAsync(Collections.Jobs, run, DomainJson.Default.TrainingJob, cancellationToken) is { } job
        && job.Value.Generation == generation
        && job.Value.Verdict == TrainingJobs.Passed;
}
