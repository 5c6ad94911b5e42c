using Gateway.Api.Wire;
using Gateway.FrontDoor;

namespace Gateway.Jobs;

/// <summary>Prepares candidates on the workers and keeps this process's routing in step.</summary>
public sealed class CandidateTraffic(WorkerAdapters workers, RoutingState routing) : ICandidateTraffic
{
    /// <inheritdoc/>
    public Task<ApiError?> PrepareAsync(string deployment, string generation, CancellationToken cancellationToken) =>
        workers.LoadEverywhereAsync(DeploymentRoute.WorkerModelOf(deployment, generation), generation, cancellationToken);

    /// <inheritdoc/>
    public Task FollowStoreAsync(CancellationToken cancellationToken) => routing.RefreshAsync(cancellationToken);
}
