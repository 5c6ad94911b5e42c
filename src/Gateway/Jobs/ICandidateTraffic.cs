using Gateway.Api.Wire;
using Gateway.Domain.Releases;

namespace Gateway.Jobs;

/// <summary>What the learning loop asks of the front door. Thread-safe.</summary>
public interface ICandidateTraffic
{
    /// <summary>Makes a candidate ready on every worker before traffic is sent to it; null on success, otherwise why not.</summary>
    Task<ApiError?> PrepareAsync(string deployment, string generation, Release candidate, CancellationToken cancellationToken);

    /// <summary>When the task completes, requests that start in this process follow the store as it is now.</summary>
    Task FollowStoreAsync(CancellationToken cancellationToken);
}
