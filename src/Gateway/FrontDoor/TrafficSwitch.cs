using System.Text.Json;
using Gateway.Api.Wire;
using Gateway.Domain.Json;
using Gateway.Domain.Releases;
using Gateway.Domain.Storage;
using Gateway.Hosting;
using Gateway.Storage;

namespace Gateway.FrontDoor;

/// <summary>The deployment after a change, or the error that kept it as it was.</summary>
public readonly record struct Switched(Deployment? Deployment, ApiError? Error);

/// <summary>
/// The only way to change where traffic goes. Every change loads the adapter on the workers and has them read its prompt first, is one audited
/// compare-and-set, and is in effect in this process when the call returns. Thread-safe.
/// </summary>
public sealed class TrafficSwitch(
    IDocumentStore documents, ControlPlane control, ReleaseBuilder releases, AdapterRegistry registry, RoutingState routing, WorkerAdapters adapters,
    PrefixWarming warming, TimeProvider clock)
{
    /// <summary>Creates a deployment; <paramref name="alsoWrite"/> (its release, say) becomes visible with it.</summary>
    public async Task<Switched> CreateAsync(
        string name, Release release, bool learns, string actor, string reason, IReadOnlyList<DocumentWrite> alsoWrite, CancellationToken cancellationToken)
    {
        var error = await LoadAsync(name, release, cancellationToken);
        return error is not null ? new(null, error) : await ChangeAsync(
            "deployment.create", name, actor, reason, release.Generation,
            (current, _) => Task.FromResult(current is not null
                ? new Change(null, [], ApiError.Conflict("deployment_exists", $"A deployment '{name}' exists already: move it instead, or choose another name.", "name"))
                : new Change(
                    new Deployment
                    {
                        Name = name,
                        ReleaseId = release.Id,
                        Learns = learns,
                        History = [new(release.Id, clock.GetUtcNow(), actor, reason)],
                    },
                    alsoWrite,
                    null)),
            cancellationToken);
    }

    /// <summary>Points a deployment at another release if it still points at <paramref name="expectedReleaseId"/>; ends a rollout under way.</summary>
    public async Task<Switched> MoveAsync(
        string name, string expectedReleaseId, Release release, string actor, string reason, IReadOnlyList<DocumentWrite> alsoWrite, CancellationToken cancellationToken)
    {
        var error = await LoadAsync(name, release, cancellationToken);
        return error is not null ? new(null, error) : await ChangeAsync(
            "deployment.move", name, actor, $"{expectedReleaseId} -> {release.Id}: {reason}", release.Generation,
            async (current, token) =>
                current is null ? Missing(name)
                : current.ReleaseId != expectedReleaseId ? Stale(current)
                : new(
                    current.MoveTo(release.Id, clock.GetUtcNow(), actor, reason),
                    [.. alsoWrite, .. await EndRolloutAsync(current, reason, token)],
                    null),
            cancellationToken);
    }

    /// <summary>
    /// Undoes the newest change of a deployment: with a rollout under way, the candidate loses its traffic and the stable
    /// release keeps all of it; otherwise the deployment returns to the release before the current one. A repeat that names
    /// the release it wants to leave succeeds without effect when that is done already.
    /// </summary>
    public Task<Switched> RollBackAsync(string name, string? expectedReleaseId, string actor, string reason, CancellationToken cancellationToken) =>
        ChangeAsync(
            "deployment.rollback", name, actor, reason, generation: null,
            async (current, token) =>
            {
                if (current is null)
                {
                    return Missing(name);
                }

                if (expectedReleaseId is not null && current.ReleaseId != expectedReleaseId)
                {
                    var isDone = current.History.Count > 1 && current.History[^2].ReleaseId == expectedReleaseId;
                    return isDone ? new(current, null, null) : Stale(current);
                }

                if (current.RolloutId is not null)
                {
                    return new(current with { RolloutId = null }, await EndRolloutAsync(current, reason, token), null);
                }

                // What served before is resident on healthy workers; one that has lost it loads it with the first request.
                return current.PreviousReleaseId is { } previousId && await releases.FindAsync(previousId, token) is { } previous
                    ? new(current.MoveTo(previous.Id, clock.GetUtcNow(), actor, reason), [], null)
                    : new(null, null, ApiError.Conflict("nothing_to_roll_back", $"The deployment '{name}' serves its first release: move it to another one instead."));
            },
            cancellationToken);

    /// <summary>Removes a deployment; its name answers 404 from then on. The audit trail keeps what it was.</summary>
    public async Task<Switched> DeleteAsync(string name, string actor, string reason, CancellationToken cancellationToken)
    {
        var switched = await control.ApplyAsync(
            actor, "deployment.delete", name, reason,
            async token => await FindAsync(name, token) is var (current, version)
                ? new(
                    [new(Collections.Deployments, name, version, Json: null), .. await EndRolloutAsync(current, reason, token)],
                    new Switched(current, null))
                : new ControlDecision<Switched>([], new(null, ApiError.NotFound("deployment", name))),
            cancellationToken);
        await routing.RefreshAsync(CancellationToken.None);
        return switched;
    }

    // Without writes nothing changes: the deployment stands as it should already, or the error says why not.
    private sealed record Change(Deployment? Deployment, IReadOnlyList<DocumentWrite>? AlsoWrite, ApiError? Error);

    private async Task<Switched> ChangeAsync(
        string action, string name, string actor, string reason, string? generation, Func<Deployment?, CancellationToken, Task<Change>> change, CancellationToken cancellationToken)
    {
        var switched = await control.ApplyAsync(
            actor, action, name, reason,
            async token =>
            {
                var found = await FindAsync(name, token);
                var (deployment, alsoWrite, error) = await change(found?.Deployment, token);
                if (deployment is null || alsoWrite is null)
                {
                    return new ControlDecision<Switched>([], new(deployment, error));
                }

                // An adapter that is deleted at the same moment is not deployed.
                IReadOnlyList<DocumentWrite> kept = [];
                if (generation is not null)
                {
                    if (await registry.KeepAsync(generation, token) is not { } keep)
                    {
                        return new ControlDecision<Switched>([], new(null, ApiError.NotFound("adapter", generation)));
                    }

                    kept = [keep];
                }

                var json = JsonSerializer.SerializeToUtf8Bytes(deployment, DomainJson.Default.Deployment);
                return new([new(Collections.Deployments, name, found?.Version ?? 0, json), .. alsoWrite, .. kept], new(deployment, null));
            },
            cancellationToken);

        // A change that is durable takes effect even when its caller has gone.
        await routing.RefreshAsync(CancellationToken.None);
        return switched;
    }

    private async Task<(Deployment Deployment, long Version)?> FindAsync(string name, CancellationToken cancellationToken) =>
        await documents.GetAsync(Collections.Deployments, name, cancellationToken) is { } document
            ? (JsonSerializer.Deserialize(document.Json.Span, DomainJson.Default.Deployment)!, document.Version)
            : null;

    private async Task<ApiError?> LoadAsync(string name, Release release, CancellationToken cancellationToken)
    {
        if (release.Generation is not { } generation)
        {
            return null;
        }

        if (await registry.FindAsync(generation, cancellationToken) is null)
        {
            return ApiError.NotFound("adapter", generation);
        }

        var model = DeploymentRoute.WorkerModelOf(name, generation);
        var error = await adapters.LoadEverywhereAsync(model, generation, cancellationToken);
        if (error is null)
        {
            await warming.WarmAsync(model, release, cancellationToken);
        }

        return error;
    }

    private async Task<IReadOnlyList<DocumentWrite>> EndRolloutAsync(Deployment deployment, string reason, CancellationToken cancellationToken)
    {
        if (deployment.RolloutId is not { } id || await documents.GetAsync(Collections.Rollouts, id, cancellationToken) is not { } document)
        {
            return [];
        }

        var ended = JsonSerializer.Deserialize(document.Json.Span, DomainJson.Default.Rollout)!.RollBackHard(reason, clock.GetUtcNow());
        return [new(Collections.Rollouts, id, document.Version, JsonSerializer.SerializeToUtf8Bytes(ended, DomainJson.Default.Rollout))];
    }

    private static Change Missing(string name) => new(null, null, ApiError.NotFound("deployment", name));

    private static Change Stale(Deployment deployment) => new(null, null, ApiError.GenerationMismatch(
        $"The deployment '{deployment.Name}' was changed by another call and is at {deployment.ReleaseId}: read it again and decide anew."));
}
