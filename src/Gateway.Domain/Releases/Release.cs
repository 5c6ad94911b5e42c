using System.Security.Cryptography;
using System.Text;

namespace Gateway.Domain.Releases;

/// <summary>
/// Contract version + adapter generation (or none) + base model + weight format: the unit that is evaluated, deployed,
/// canaried and rolled back. Immutable; its id is a hash of its parts, so the same parts are the same release.
/// </summary>
public sealed record Release
{
    /// <summary><c>rel_</c> and 24 hex digits over the other members but <see cref="CreatedAt"/>.</summary>
    public required string Id { get; init; }

    /// <summary>The contract's name, or null for a release without a contract.</summary>
    public string? ContractName { get; init; }

    /// <summary>The contract's version, or null.</summary>
    public int? ContractVersion { get; init; }

    /// <summary>The contract's hash, or null.</summary>
    public string? ContractHash { get; init; }

    /// <summary>The adapter generation, or null for the bare base model.</summary>
    public string? Generation { get; init; }

    /// <summary>The base model's fingerprint.</summary>
    public required string BaseFingerprint { get; init; }

    /// <summary>Weight format served: f32, bf16, int8 or int4.</summary>
    public required string WeightFormat { get; init; }

    /// <summary>When it was first built.</summary>
    public required DateTimeOffset CreatedAt { get; init; }

    /// <summary>Builds the release of these parts, with its id.</summary>
    public static Release Create(
        Contracts.Contract? contract, string? generation, string baseFingerprint, string weightFormat, DateTimeOffset createdAt)
    {
        var parts = string.Join('\n', contract?.Name, contract?.Version, contract?.ContractHash, generation, baseFingerprint, weightFormat);
        var digest = SHA256.HashData(Encoding.UTF8.GetBytes("gateway-release-v1\n" + parts));
        return new Release
        {
            Id = "rel_" + Convert.ToHexStringLower(digest.AsSpan(0, 12)),
            ContractName = contract?.Name,
            ContractVersion = contract?.Version,
            ContractHash = contract?.ContractHash,
            Generation = generation,
            BaseFingerprint = baseFingerprint,
            WeightFormat = weightFormat,
            CreatedAt = createdAt,
        };
    }
}
