using Gateway.Api.Wire;
using Gateway.Domain.Releases;
using Gateway.Jobs;

namespace Gateway.UnitTests.Host.Jobs;

/// <summary>Workers that load whatever they are told, unless a test says otherwise.</summary>
internal sealed class FakeTraffic : ICandidateTraffic
{
    public ApiError? Refusal { get; set; }

    public List<string> Prepared { get; } = [];

    public int Refreshes { get; private set; }

    public Task<ApiError?> PrepareAsync(string deployment, string generation, Release candidate, CancellationToken cancellationToken)
    {
        if (Refusal is null)
        {
            Prepared.Add(generation);
        }

        return Task.FromResult(Refusal);
    }

    public Task FollowStoreAsync(CancellationToken cancellationToken)
    {
        Refreshes++;
        return Task.CompletedTask;
    }
}
