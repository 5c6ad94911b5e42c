using System.Collections.Frozen;
using Gateway.Domain.Keys;
using Gateway.Domain.Limits;

namespace Gateway.Security;

/// <summary>Who sent a request, as far as its key tells. Immutable, one per key, shared by all its requests.</summary>
public sealed class Caller(string keyId, string owner, KeyScope scopes, IReadOnlyList<string>? models, string? cacheSalt, KeyLimits? limits)
{
    private readonly FrozenSet<string>? _models = models?.ToFrozenSet(StringComparer.Ordinal);

    /// <summary>The key's public id.</summary>
    public string KeyId => keyId;

    /// <summary>Whose key it is.</summary>
    public string Owner => owner;

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

/// <summary>The caller of a request.</summary>
internal static class CallerOfRequest
{
    /// <summary>Who sent it; null where the gateway runs without keys, and then everybody may do everything.</summary>
    public static Caller? Caller(this HttpContext context) => context.Features.Get<Caller>();
}
