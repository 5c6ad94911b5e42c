namespace Gateway.Domain.Releases;

/// <summary>One step in a deployment's history.</summary>
/// <param name="ReleaseId">The release that took the traffic.</param>
/// <param name="At">When.</param>
/// <param name="Actor">Who or what moved it.</param>
/// <param name="Reason">Why.</param>
public sealed record DeploymentStep(string ReleaseId, DateTimeOffset At, string Actor, string Reason);

/// <summary>
/// A public model name. Traffic follows one pointer only, <see cref="ReleaseId"/>, moved by compare-and-set; the history
/// holds every release it named, oldest first, the current one last.
/// </summary>
public sealed record Deployment
{
    /// <summary>The public model name, <c>[A-Za-z0-9_.:/-]{1,128}</c>.</summary>
    public required string Name { get; init; }

    /// <summary>The release that serves.</summary>
    public required string ReleaseId { get; init; }

    /// <summary>The rollout under way, or null.</summary>
    public string? RolloutId { get; init; }

    /// <summary>True when the learning loop watches this deployment.</summary>
    public bool Learns { get; init; } = true;

    /// <summary>Every release this name pointed at, oldest first; the last entry is the current one.</summary>
    public IReadOnlyList<DeploymentStep> History { get; init; } = [];

    /// <summary>The same deployment pointing at <paramref name="releaseId"/>, any rollout ended.</summary>
    public Deployment MoveTo(string releaseId, DateTimeOffset at, string actor, string reason) => this with
    {
        ReleaseId = releaseId,
        RolloutId = null,
        History = [.. History, new DeploymentStep(releaseId, at, actor, reason)],
    };

    /// <summary>
    /// What a rollback returns to: the release before the current one first took the traffic, or null when it was the first.
    /// Repeated rollbacks walk back through the history and never forward, so a repeated call cannot bring back what was
    /// rolled back.
    /// </summary>
    public string? PreviousReleaseId
    {
        get
        {
            for (var i = 0; i < History.Count; i++)
            {
                if (History[i].ReleaseId == ReleaseId)
                {
                    return i == 0 ? null : History[i - 1].ReleaseId;
                }
            }

            return null;
        }
    }
}
