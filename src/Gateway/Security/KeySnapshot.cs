using System.Collections.Frozen;
using System.Security.Cryptography;
using Gateway.Domain.Keys;

namespace Gateway.Security;

/// <summary>All keys at one moment, ready to be looked up; immutable, replaced whole.</summary>
internal sealed class KeySnapshot
{
    private readonly FrozenDictionary<string, Entry> _keys;
    private readonly FrozenDictionary<string, Entry>.AlternateLookup<ReadOnlySpan<char>> _byId;
    private readonly Entry? _bootstrap;

    /// <summary>A snapshot of stored keys and the operator key that the environment gives, if any.</summary>
    public KeySnapshot(IReadOnlyCollection<ApiKey> keys, string? operatorKey)
    {
        Keys = keys;
        _keys = keys.ToFrozenDictionary(key => key.Id, key => new Entry(key), StringComparer.Ordinal);
        _byId = _keys.GetAlternateLookup<ReadOnlySpan<char>>();
        _bootstrap = operatorKey is null ? null : new Entry(operatorKey);
    }

    /// <summary>No keys: everybody may do everything.</summary>
    public static KeySnapshot Empty { get; } = new([], null);

    /// <summary>The stored keys, revoked ones included.</summary>
    public IReadOnlyCollection<ApiKey> Keys { get; }

    /// <summary>True when callers need a key. Once a key exists this never turns back by itself, whatever expires or is revoked.</summary>
    public bool Required => _keys.Count > 0 || _bootstrap is not null;

    /// <summary>True when a key of the environment lets operators in.</summary>
    public bool HasBootstrapKey => _bootstrap is not null;

    /// <summary>The holder of <paramref name="secret"/>, or null when it is unknown, revoked or expired. Compares in constant time.</summary>
    public Caller? Authenticate(ReadOnlySpan<char> secret, DateTimeOffset now)
    {
        Span<byte> hash = stackalloc byte[SHA256.HashSizeInBytes];
        if (!KeySecret.TryHash(secret, hash))
        {
            return null;
        }

        if (_byId.TryGetValue(KeySecret.IdOf(secret), out var entry))
        {
            return entry.Matches(hash, now) ? entry.Caller : null;
        }

        return _bootstrap is not null && _bootstrap.Matches(hash, now) ? _bootstrap.Caller : null;
    }

    private sealed class Entry
    {
        private readonly byte[] _hash;
        private readonly byte[]? _previousHash;
        private readonly ApiKey? _key;

        public Entry(ApiKey key)
        {
            _key = key;
            _hash = Convert.FromHexString(key.Hash);
            _previousHash = key.PreviousHash is null ? null : Convert.FromHexString(key.PreviousHash);
            Caller = new Caller(key.Id, key.Owner, key.Granted(), key.Models, key.CacheSalt, key.Limits);
        }

        public Entry(string operatorKey)
        {
            _hash = Convert.FromHexString(KeySecret.Hash(operatorKey));
            Caller = new Caller("bootstrap", "operator", KeyScope.Operator, null, null, null);
        }

        public Caller Caller { get; }

        public bool Matches(ReadOnlySpan<byte> hash, DateTimeOffset now) =>
            _key?.IsActive(now) != false
            && (CryptographicOperations.FixedTimeEquals(hash, _hash)
                || (_previousHash is not null && _key!.PreviousUntil > now && CryptographicOperations.FixedTimeEquals(hash, _previousHash)));
    }
}
