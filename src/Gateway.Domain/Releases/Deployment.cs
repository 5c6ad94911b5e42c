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

    /// <summary>The release that served before the current one, or null when there is none to go back to.</summary>
    public string? PreviousReleaseId
    {
        get
        {
            for (var i = History.Count - 2; i >= 0; i--)
            {
                if (History[i].ReleaseId != ReleaseId)
                {
                    return History[i].ReleaseId;
                }
            }

            return null;
        }
    }
}
