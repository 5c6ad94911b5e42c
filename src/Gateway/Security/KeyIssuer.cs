using System.Security.Cryptography;
using System.Text.Json;
using Gateway.Domain.Json;
using Gateway.Domain.Keys;
using Gateway.Domain.Storage;
using Gateway.Storage;

namespace Gateway.Security;

/// <summary>A key with its secret, which nobody can read again.</summary>
public sealed record IssuedKey(ApiKey Key, string Secret);

/// <summary>Makes, replaces and revokes keys; each change and its audit entry are durable when a call returns. Thread-safe.</summary>
public sealed class KeyIssuer(IDocumentStore documents, ControlPlane control, TimeProvider clock)
{
    private const int SaltBytes = 16;

    /// <summary>Stores a new key. The draft's id, hash and times are filled in, and its cache salt when it is empty.</summary>
    public async Task<IssuedKey> CreateAsync(ApiKey draft, string actor, string reason, CancellationToken cancellationToken)
    {
        var id = KeySecret.NewId();
        var secret = KeySecret.New(id);
        var salt = draft.CacheSalt.Length > 0 ? draft.CacheSalt : await SaltOfAsync(draft.Owner, cancellationToken);
        var key = draft with { Id = id, Hash = KeySecret.Hash(secret), CacheSalt = salt, CreatedAt = clock.GetUtcNow(), CreatedBy = actor };
        return await control.ApplyAsync(
            actor, "key.create", id, reason,
            _ => Task.FromResult(new ControlDecision<IssuedKey>([Write(key, expected: 0)], new(key, secret))), cancellationToken);
    }

    /// <summary>Gives a key a new secret; the one before works for <paramref name="grace"/> more. Null when there is no such active key.</summary>
    public async Task<IssuedKey?> RotateAsync(string id, TimeSpan grace, string actor, string reason, CancellationToken cancellationToken)
    {
        var secret = KeySecret.New(id);
        return await control.ApplyAsync(
            actor, "key.rotate", id, reason,
            async token =>
            {
                var (key, version) = await FindAsync(id, token);
                var now = clock.GetUtcNow();
                if (key?.IsActive(now) != true)
                {
                    return new ControlDecision<IssuedKey?>([], null);
                }

                var rotated = key.Rotate(KeySecret.Hash(secret), now, now + grace);
                return new([Write(rotated, version)], new(rotated, secret));
            },
            cancellationToken);
    }

    /// <summary>Ends a key for good; a repeat changes nothing. Null when there is no such key.</summary>
    public Task<ApiKey?> RevokeAsync(string id, string actor, string reason, CancellationToken cancellationToken) =>
        control.ApplyAsync(
            actor, "key.revoke", id, reason,
            async token =>
            {
                var (key, version) = await FindAsync(id, token);
                if (key is null || key.RevokedAt is not null)
                {
                    return new ControlDecision<ApiKey?>([], key);
                }

                var revoked = key with { RevokedAt = clock.GetUtcNow() };
                return new([Write(revoked, version)], revoked);
            },
            cancellationToken);

    /// <summary>All keys, revoked ones included.</summary>
    public async Task<IReadOnlyList<ApiKey>> ListAsync(CancellationToken cancellationToken)
    {
        var keys = new List<ApiKey>();
        await foreach (var document in documents.ListAsync(Collections.Keys, "", cancellationToken))
        {
            keys.Add(Read(document));
        }

        return keys;
    }

    /// <summary>A key and the version of its document, or null and 0.</summary>
    public async Task<(ApiKey? Key, long Version)> FindAsync(string id, CancellationToken cancellationToken) =>
        await documents.GetAsync(Collections.Keys, id, cancellationToken) is { } document ? (Read(document), document.Version) : (null, 0);

    /// <summary>Keys of one owner share a salt, so that they find each other's prompts in the cache and nobody else's.</summary>
    private async Task<string> SaltOfAsync(string owner, CancellationToken cancellationToken) =>
        (await ListAsync(cancellationToken)).FirstOrDefault(key => key.Owner == owner)?.CacheSalt
        ?? RandomNumberGenerator.GetHexString(SaltBytes * 2, lowercase: true);

    private static ApiKey Read(Document document) => JsonSerializer.Deserialize(document.Json.Span, DomainJson.Default.ApiKey)!;

    private static DocumentWrite Write(ApiKey key, long expected) =>
        new(Collections.Keys, key.Id, expected, JsonSerializer.SerializeToUtf8Bytes(key, DomainJson.Default.ApiKey));
}
