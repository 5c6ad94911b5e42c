using System.Collections.Frozen;
using Gateway.Domain.Adapters;
using Gateway.Domain.Contracts;
using Gateway.Domain.Interactions;
using Gateway.Domain.Releases;
using Gateway.Domain.Rollouts;

namespace Gateway.FrontDoor;

/// <summary>
/// A release with the documents it refers to; <see cref="Contract"/> is null for a release without one, <see cref="Schema"/>
/// for one whose replies are free.
/// </summary>
public sealed record ReleaseRoute(Release Release, Contract? Contract, JsonSchema? Schema)
{
    /// <summary>The contract as <c>name@version</c>, or null.</summary>
    public string? ContractName => Contract is null ? null : $"{Contract.Name}@{Contract.Version}";
}

/// <summary>A running rollout with the release its candidate arm gets.</summary>
public sealed record RolloutRoute(Rollout Rollout, ReleaseRoute Candidate);

/// <summary>A deployment with everything needed to route a request to it.</summary>
public sealed record DeploymentRoute(Deployment Deployment, ReleaseRoute Stable, RolloutRoute? Rollout, IReadOnlyList<ReleaseRoute> Known)
{
    /// <summary>The model name a worker knows this deployment's generation by; never reused for another generation.</summary>
    public static string WorkerModelOf(string deployment, string generation) => $"{deployment}--{generation[..12]}";
}

/// <summary>Where a request goes and why.</summary>
/// <param name="Deployment">The deployment asked for.</param>
/// <param name="Release">The release that answers.</param>
/// <param name="Arm">The arm it belongs to.</param>
/// <param name="RolloutId">The rollout that analyses it, or null.</param>
/// <param name="Share">Share of units per arm at assignment; 0 without a rollout.</param>
public sealed record Assigned(DeploymentRoute Deployment, ReleaseRoute Release, Arm Arm, string? RolloutId, double Share)
{
    /// <summary>The adapter's model name on a worker, or null for the bare base model.</summary>
    public string? WorkerModel => Release.Release.Generation is { } generation
        ? DeploymentRoute.WorkerModelOf(Deployment.Deployment.Name, generation)
        : null;
}

/// <summary>Everything the front door knows about deployments at one moment; immutable, replaced whole.</summary>
public sealed record RoutingSnapshot(
    FrozenDictionary<string, DeploymentRoute> Deployments, FrozenDictionary<string, Adapter> Adapters)
{
    /// <summary>No deployments.</summary>
    public static RoutingSnapshot Empty { get; } =
        new(FrozenDictionary<string, DeploymentRoute>.Empty, FrozenDictionary<string, Adapter>.Empty);

    /// <summary>The generations that must be resident on workers: what serves, what is tried, and what a rollback returns to.</summary>
    public IEnumerable<(string WorkerModel, string Generation)> WantedAdapters() =>
        from route in Deployments.Values
        from release in route.Known
        where release.Release.Generation is not null
            && (release.Release.Id == route.Deployment.ReleaseId
                || release.Release.Id == route.Deployment.PreviousReleaseId
                || release.Release.Id == route.Rollout?.Candidate.Release.Id)
        select (DeploymentRoute.WorkerModelOf(route.Deployment.Name, release.Release.Generation!), release.Release.Generation!);

    /// <summary>
    /// The release and arm for a request, or null when no deployment has the name asked for. <c>name--12hex</c> asks for one
    /// generation of an existing deployment: it bypasses a rollout and is not analysed.
    /// </summary>
    public Assigned? Choose(string model, RandomisationUnit unit)
    {
        if (Deployments.TryGetValue(model, out var route))
        {
            if (route.Rollout is not { } rollout)
            {
                return new(route, route.Stable, Arm.Stable, null, 0);
            }

            var arm = Assignment.ArmOf(rollout.Rollout, unit.Value);
            return new(route, arm == Arm.Candidate ? rollout.Candidate : route.Stable, arm, rollout.Rollout.Id, rollout.Rollout.Share);
        }

        var separator = model.LastIndexOf("--", StringComparison.Ordinal);
        return separator > 0 && Deployments.TryGetValue(model[..separator], out route)
            && route.Known.LastOrDefault(r => r.Release.Generation is { } generation
                && DeploymentRoute.WorkerModelOf(route.Deployment.Name, generation) == model) is { } release
            ? new(route, release, Arm.Stable, null, 0)
            : null;
    }
}
