using System.Text.Json;
using Gateway.Api.Wire;
using Gateway.Domain.Contracts;
using Gateway.Domain.Json;
using Gateway.Domain.Releases;
using Gateway.Domain.Storage;

namespace Gateway.Hosting;

/// <summary>Builds releases: a contract version and a generation that belong together, on this installation's base model. Thread-safe.</summary>
public sealed class ReleaseBuilder(BaseModel baseModel, AdapterRegistry adapters, IDocumentStore documents, TimeProvider clock)
{
    /// <summary>
    /// The release of these parts and the write that stores it (null when it is stored already). An adapter trained under
    /// another prompt or base is refused unless <paramref name="force"/> says that the caller knows.
    /// </summary>
    public async Task<(Release? Release, DocumentWrite? Write, ApiError? Error)> BuildAsync(
        Contract? contract, string? generation, bool force, CancellationToken cancellationToken)
    {
        if (generation is not null)
        {
            if (await adapters.FindAsync(generation, cancellationToken) is not { } adapter)
            {
                return (null, null, ApiError.NotFound("adapter", generation, "generation"));
            }

            if (adapter.BaseFingerprint is { } fingerprint && fingerprint != baseModel.Fingerprint)
            {
                return (null, null, ApiError.ContractMismatch("The adapter was trained on another base model: train it on this one.", "generation"));
            }

            if (adapter.PromptHash is { } promptHash && promptHash != contract?.PromptHash && !force)
            {
                return (null, null, ApiError.ContractMismatch(
                    "The adapter was trained under another prompt than this contract's: choose the contract version it was trained under, or send 'force': true.", "generation"));
            }
        }

        var release = Release.Create(contract, generation, baseModel.Fingerprint, baseModel.WeightFormat, clock.GetUtcNow());
        if (await FindAsync(release.Id, cancellationToken) is { } known)
        {
            return (known, null, null);
        }

        var json = JsonSerializer.SerializeToUtf8Bytes(release, DomainJson.Default.Release);
        return (release, new(Collections.Releases, release.Id, ExpectedVersion: null, json), null);
    }

    /// <summary>The stored release, or null.</summary>
    public async Task<Release?> FindAsync(string id, CancellationToken cancellationToken) =>
        await documents.GetAsync(Collections.Releases, id, cancellationToken) is { } document
            ? JsonSerializer.Deserialize(document.Json.Span, DomainJson.Default.Release)
            : null;
}
