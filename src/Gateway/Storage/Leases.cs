using System.Text.Json;
using System.Text.Json.Serialization;
using Gateway.Domain.Storage;

namespace Gateway.Storage;

/// <summary>
/// The right to do <see cref="Name"/> alone until <see cref="ExpiresAt"/>. <see cref="Fence"/> is higher than that of every
/// holder before: what carries a lower one was written by a holder that had already lost the lease.
/// </summary>
public sealed record Lease(string Name, string Owner, long Fence, DateTimeOffset ExpiresAt);

/// <summary>
/// Leases over the document store, so that one process of many drives a rollout or a job. Holders' clocks may differ by far
/// less than a lease lasts; the fence covers the rest. Thread-safe.
/// </summary>
public sealed class Leases(IDocumentStore store, TimeProvider clock)
{
    /// <summary>The lease with a new fence, or null while another (or an earlier call of the same owner) holds it.</summary>
    public async Task<Lease?> TryAcquireAsync(string name, string owner, TimeSpan duration, CancellationToken cancellationToken)
    {
        var document = await store.GetAsync(Collections.Leases, name, cancellationToken).ConfigureAwait(false);
        var current = document is null ? null : Read(document);
        var now = clock.GetUtcNow();
        if (current is not null && current.ExpiresAt > now)
        {
            return null;
        }

        var lease = new Lease(name, owner, (current?.Fence ?? 0) + 1, now + duration);
        return await TryWriteAsync(lease, document?.Version ?? 0, cancellationToken).ConfigureAwait(false) ? lease : null;
    }

    /// <summary>The lease with a later end, or null when it has expired or gone to another: stop at once.</summary>
    public async Task<Lease?> RenewAsync(Lease lease, TimeSpan duration, CancellationToken cancellationToken)
    {
        var now = clock.GetUtcNow();
        if (await FindHeldAsync(lease, cancellationToken).ConfigureAwait(false) is not { } held || held.Lease.ExpiresAt <= now)
        {
            return null;
        }

        var renewed = lease with { ExpiresAt = now + duration };
        return await TryWriteAsync(renewed, held.Version, cancellationToken).ConfigureAwait(false) ? renewed : null;
    }

    /// <summary>Ends the lease now; nothing happens when it is already another's. The document stays, so fences keep rising.</summary>
    public async Task ReleaseAsync(Lease lease, CancellationToken cancellationToken)
    {
        if (await FindHeldAsync(lease, cancellationToken).ConfigureAwait(false) is { } held)
        {
            await TryWriteAsync(lease with { ExpiresAt = clock.GetUtcNow() }, held.Version, cancellationToken).ConfigureAwait(false);
        }
    }

    private static Lease Read(Document document) =>
        JsonSerializer.Deserialize(document.Json.Span, LeaseJson.Default.Lease)
            ?? throw new JsonException($"The lease '{document.Key}' is the JSON null; delete the document to free it.");

    private async Task<(Lease Lease, long Version)?> FindHeldAsync(Lease lease, CancellationToken cancellationToken)
    {
        var document = await store.GetAsync(Collections.Leases, lease.Name, cancellationToken).ConfigureAwait(false);
        return document is not null && Read(document) is var current && current.Fence == lease.Fence && current.Owner == lease.Owner
            ? (current, document.Version)
            : null;
    }

    private async Task<bool> TryWriteAsync(Lease lease, long expectedVersion, CancellationToken cancellationToken)
    {
        var json = JsonSerializer.SerializeToUtf8Bytes(lease, LeaseJson.Default.Lease);
        var result = await store.CommitAsync(
            [new DocumentWrite(Collections.Leases, lease.Name, expectedVersion, json)], cancellationToken).ConfigureAwait(false);
        return result.Committed;
    }
}

[JsonSerializable(typeof(Lease))]
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower)]
internal sealed partial class LeaseJson : JsonSerializerContext;
