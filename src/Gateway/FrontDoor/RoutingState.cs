using System.Collections.Frozen;
using System.Text.Json;
using Gateway.Domain.Adapters;
using Gateway.Domain.Contracts;
using Gateway.Domain.Json;
using Gateway.Domain.Releases;
using Gateway.Domain.Rollouts;
using Gateway.Domain.Storage;

namespace Gateway.FrontDoor;

/// <summary>
/// Holds the current <see cref="RoutingSnapshot"/>. Readers take <see cref="Current"/> once per request; refreshes are
/// serialised, so the last one to finish has read the newest documents. Thread-safe.
/// </summary>
public sealed partial class RoutingState(IDocumentStore documents, ILogger<RoutingState> logger) : IDisposable
{
    private readonly SemaphoreSlim _refreshing = new(1);
    private volatile RoutingSnapshot _current = RoutingSnapshot.Empty;

    /// <summary>The snapshot of the newest refresh.</summary>
    public RoutingSnapshot Current => _current;

    /// <summary>Reads the store and replaces the snapshot; when the task completes, requests that start follow it.</summary>
    public async Task<RoutingSnapshot> RefreshAsync(CancellationToken cancellationToken)
    {
        await _refreshing.WaitAsync(cancellationToken);
        try
        {
            return _current = await ReadAsync(cancellationToken);
        }
        finally
        {
            _refreshing.Release();
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _refreshing.Dispose();

    // A deployment's references are written before or together with it, so reading deployments first finds all of them.
    private async Task<RoutingSnapshot> ReadAsync(CancellationToken cancellationToken)
    {
        var deployments = new List<Deployment>();
        await foreach (var document in documents.ListAsync(Collections.Deployments, "", cancellationToken))
        {
            deployments.Add(JsonSerializer.Deserialize(document.Json.Span, DomainJson.Default.Deployment)!);
        }

        var releases = new Dictionary<string, ReleaseRoute>(StringComparer.Ordinal);
        var routes = new Dictionary<string, DeploymentRoute>(StringComparer.Ordinal);
        foreach (var deployment in deployments)
        {
            var rollout = await RolloutOfAsync(deployment, releases, cancellationToken);
            var known = new List<ReleaseRoute>();
            foreach (var id in deployment.History.Select(step => step.ReleaseId).Append(deployment.ReleaseId).Distinct(StringComparer.Ordinal))
            {
                if (await ReleaseAsync(id, releases, cancellationToken) is { } release)
                {
                    known.Add(release);
                }
            }

            if (rollout is not null && !known.Contains(rollout.Candidate))
            {
                known.Add(rollout.Candidate);
            }

            if (known.Find(release => release.Release.Id == deployment.ReleaseId) is { } stable)
            {
                routes[deployment.Name] = new(deployment, stable, rollout, known);
            }
            else
            {
                LogBrokenDeployment(deployment.Name, deployment.ReleaseId);
            }
        }

        var adapters = new Dictionary<string, Adapter>(StringComparer.Ordinal);
        await foreach (var document in documents.ListAsync(Collections.Adapters, "", cancellationToken))
        {
            adapters[document.Key] = JsonSerializer.Deserialize(document.Json.Span, DomainJson.Default.Adapter)!;
        }

        return new(routes.ToFrozenDictionary(StringComparer.Ordinal), adapters.ToFrozenDictionary(StringComparer.Ordinal));
    }

    private async Task<ReleaseRoute?> ReleaseAsync(string id, Dictionary<string, ReleaseRoute> read, CancellationToken cancellationToken)
    {
        if (read.TryGetValue(id, out var known))
        {
            return known;
        }

        if (await documents.GetAsync(Collections.Releases, id, cancellationToken) is not { } document)
        {
            return null;
        }

        var release = JsonSerializer.Deserialize(document.Json.Span, DomainJson.Default.Release)!;
        Contract? contract = null;
        if (release is { ContractName: { } name, ContractVersion: { } version })
        {
            var key = DocumentKeys.ContractVersion(name, version);
            if (await documents.GetAsync(Collections.Contracts, key, cancellationToken) is not { } found)
            {
                // Serving without its contract would be another release under the same name.
                return null;
            }

            contract = JsonSerializer.Deserialize(found.Json.Span, DomainJson.Default.Contract);
        }

        // Contracts are checked when they are created, so the schema of a stored one compiles.
        var schema = contract?.Content.OutputSchema is { } given && JsonSchema.TryParse(given, out var compiled, out _) ? compiled : null;
        return read[id] = new(release, contract, schema);
    }

    private async Task<RolloutRoute?> RolloutOfAsync(Deployment deployment, Dictionary<string, ReleaseRoute> read, CancellationToken cancellationToken)
    {
        if (deployment.RolloutId is not { } id
            || await documents.GetAsync(Collections.Rollouts, id, cancellationToken) is not { } document)
        {
            return null;
        }

        var rollout = JsonSerializer.Deserialize(document.Json.Span, DomainJson.Default.Rollout)!;
        return rollout.Share > 0 && await ReleaseAsync(rollout.CandidateReleaseId, read, cancellationToken) is { } candidate
            ? new(rollout, candidate)
            : null;
    }

    [LoggerMessage(LogLevel.Error, "Deployment {Name} names release {ReleaseId}, which is not in the store; it answers 404 until it is moved.")]
    private partial void LogBrokenDeployment(string name, string releaseId);
}
