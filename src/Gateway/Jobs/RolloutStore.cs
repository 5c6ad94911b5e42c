using System.Text.Json;
using Gateway.Domain.Json;
using Gateway.Domain.Rollouts;
using Gateway.Domain.Storage;
using Gateway.Storage;

namespace Gateway.Jobs;

/// <summary>
/// Rollouts in the document store. Every write expects the version its state was reached from, so a driver that lost its
/// lease without noticing changes nothing. Thread-safe.
/// </summary>
public sealed class RolloutStore(IDocumentStore documents, ControlPlane control, ICandidateTraffic traffic, TimeProvider clock)
{
    /// <summary>The rollout with its version, or null.</summary>
    internal Task<Stored<Rollout>?> FindAsync(string id, CancellationToken cancellationToken) =>
        documents.FindAsync(Collections.Rollouts, id, DomainJson.Default.Rollout, cancellationToken);

    /// <summary>Every rollout, oldest first.</summary>
    internal IAsyncEnumerable<Stored<Rollout>> ListAsync(CancellationToken cancellationToken) =>
        documents.ReadAllAsync(Collections.Rollouts, "", DomainJson.Default.Rollout, cancellationToken);

    /// <summary>The first rollout of a candidate since a moment, or null.</summary>
    internal async Task<string?> FindByCandidateAsync(string releaseId, DateTimeOffset since, CancellationToken cancellationToken)
    {
        await foreach (var (rollout, _) in ListAsync(cancellationToken))
        {
            if (rollout.CandidateReleaseId == releaseId && rollout.StartedAt >= since)
            {
                return rollout.Id;
            }
        }

        return null;
    }

    /// <summary>Stores a state that changes nothing but counts; false when the stored version is another.</summary>
    internal async Task<bool> SaveAsync(Rollout rollout, long version, CancellationToken cancellationToken) =>
        (await documents.CommitAsync([Write(rollout, version)], cancellationToken)).Committed;

    /// <summary>Stores a state whose verdict or ramp differs, with the numbers in the audit trail; false when the stored version is another.</summary>
    internal async Task<bool> RecordAsync(Rollout rollout, long version, string actor, CancellationToken cancellationToken)
    {
        var action = rollout.Verdict == RolloutVerdict.Running ? "rollout.step" : ActionOf(rollout.Verdict);
        var done = await control.ApplyAsync(
            actor, action, rollout.Id, Numbers(rollout, actor),
            async token => await IsAtAsync(rollout.Id, version, token)
                ? new ControlDecision<bool>([Write(rollout, version)], true)
                : new ControlDecision<bool>([], false),
            cancellationToken);
        await traffic.FollowStoreAsync(cancellationToken);
        return done;
    }

    /// <summary>
    /// Stores a final verdict and moves the traffic in one commit with its audit entry, so a crash leaves both or neither;
    /// false when the stored version is another. Promotion points the deployment at the candidate, every other end leaves it
    /// at the stable release; a deployment that was moved meanwhile is left alone.
    /// </summary>
    internal async Task<bool> EndAsync(Rollout ended, long version, string actor, CancellationToken cancellationToken)
    {
        var done = await control.ApplyAsync(
            actor, ActionOf(ended.Verdict), ended.Id, Numbers(ended, actor),
            async token =>
            {
                if (!await IsAtAsync(ended.Id, version, token))
                {
                    return new ControlDecision<bool>([], false);
                }

                var deployment = await documents.FindAsync(Collections.Deployments, ended.Deployment, DomainJson.Default.Deployment, token);
                if (deployment is not { } found || found.Value.RolloutId != ended.Id)
                {
                    return new ControlDecision<bool>([Write(ended, version)], true);
                }

                var moved = ended.Verdict == RolloutVerdict.Promote
                    ? found.Value.MoveTo(ended.CandidateReleaseId, clock.GetUtcNow(), actor, $"promoted by rollout {ended.Id}")
                    : found.Value with { RolloutId = null };
                return new ControlDecision<bool>(
                    [Write(ended, version), StoredDocuments.Write(Collections.Deployments, moved.Name, moved, DomainJson.Default.Deployment, found.Version)],
                    true);
            },
            cancellationToken);
        await traffic.FollowStoreAsync(cancellationToken);
        return done;
    }

    private static DocumentWrite Write(Rollout rollout, long version) =>
        StoredDocuments.Write(Collections.Rollouts, rollout.Id, rollout, DomainJson.Default.Rollout, version);

    private static string ActionOf(RolloutVerdict verdict) => "rollout." + JsonNamingPolicy.SnakeCaseLower.ConvertName(verdict.ToString());

    private string Numbers(Rollout rollout, string actor) => JsonSerializer.Serialize(
        RolloutDecision.From(rollout, actor, clock.GetUtcNow()), DomainJson.Default.RolloutDecision);

    private async Task<bool> IsAtAsync(string id, long version, CancellationToken cancellationToken) =>
        await documents.GetAsync(Collections.Rollouts, id, cancellationToken) is { } document && document.Version == version;
}
