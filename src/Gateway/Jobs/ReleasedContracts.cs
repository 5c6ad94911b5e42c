using Gateway.Api;
using Gateway.Domain.Contracts;
using Gateway.Domain.Releases;

namespace Gateway.Jobs;

/// <summary>Finds the contract a release was built with.</summary>
internal static class ReleasedContracts
{
    /// <summary>The contract version of <paramref name="release"/>, or null for a release without one.</summary>
    public static Task<Contract?> OfAsync(this ContractReader contracts, Release release, CancellationToken cancellationToken) =>
        release is { ContractName: { } name, ContractVersion: { } version }
            ? contracts.ByVersionAsync(name, version, cancellationToken)
            : Task.FromResult<Contract?>(null);
}
