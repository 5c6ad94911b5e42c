using Gateway.Api.Wire;
using Gateway.Domain.Releases;
using Gateway.FrontDoor;

namespace Gateway.Jobs;

/// <summary>Prepares candidates on the workers and keeps this process's routing in step.</summary>
public sealed class CandidateTraffic(WorkerAdapters workers, PrefixWarming warming, RoutingState routing) : ICandidateTraffic
{
    /// <inheritdoc/>
    public async Task<ApiError?> PrepareAsync(string deployment, string generation, Release candidate, CancellationToken cancellationToken)
    {
        var model = DeploymentRoute.WorkerModelOf(deployment, generation);
        var error = await workers.LoadEverywhereAsync(model, generation, cancellationToken);
        if (error is null)
        {
            await warming.WarmAsync(model, candidate, cancellationToken);
        }

        return error;
    }

    /// <inheritdoc/>
    public Task FollowStoreAsync(CancellationToken cancellationToken) => routing.RefreshAsync(cancellationToken);
}
