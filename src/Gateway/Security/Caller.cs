using System.Collections.Frozen;
using Gateway.Domain.Keys;
using Gateway.Domain.Limits;

namespace Gateway.Security;

/// <summary>
/// Who is calling and what they may do, as whoever checked the request set it on the connection's features. Immutable, one per
/// key, shared by all its requests.
/// </summary>
public sealed class Caller(string? keyId, string? owner, KeyScope scopes, IReadOnlyList<string>? models, string? cacheSalt, KeyLimits? limits)
{
    /// <summary>Whoever reaches a listener that asks for no keys.</summary>
    public static Caller Local { get; } = new(null, null, KeyScope.Operator, models: null, cacheSalt: null, limits: null);

    /// <summary>One of this gateway's workers, by the token it shares with them.</summary>
    public static Caller Worker { get; } = new("worker", null, KeyScope.None, models: null, cacheSalt: null, limits: null);

    private readonly FrozenSet<string>? _models = models?.ToFrozenSet(StringComparer.Ordinal);

    /// <summary>For the audit trail.</summary>
    public string Name { get; } = keyId is null ? "operator" : $"key {keyId} of {owner}";

    /// <summary>The key's public id, or null where no keys are used.</summary>
    public string? KeyId => keyId;

    /// <summary>Whose key it is, or null where no keys are used.</summary>
    public string? Owner => owner;

    /// <summary>Separates the owner's prompts in the workers' prefix cache, or null.</summary>
    public string? CacheSalt => cacheSalt;

    /// <summary>What the key may use up, or null.</summary>
    public KeyLimits? Limits => limits;

    /// <summary>True for a key that may do everything and see every owner's records.</summary>
    public bool IsOperator => Has(KeyScope.Operator);

    /// <summary>True when the key has one of the scopes, or is an operator's.</summary>
    public bool Has(KeyScope any) => (scopes & (any | KeyScope.Operator)) != KeyScope.None;

    /// <summary>True when it may use a model: one it lists, or a generation of one, <c>name--12hex</c>.</summary>
    public bool MayUse(string model)
    {
        if (_models is null || _models.Contains(model))
        {
            return true;
        }

        var separator = model.LastIndexOf("--", StringComparison.Ordinal);
        return separator > 0 && _models.GetAlternateLookup<ReadOnlySpan<char>>().Contains(model.AsSpan(0, separator));
    }

    /// <summary>True when it may see and rate what belongs to <paramref name="recordOwner"/>; records from times without keys are the operators'.</summary>
    public bool MaySee(string? recordOwner) => IsOperator || recordOwner == owner;
}
