using System.Security.Cryptography;
using System.Text;
using StackExchange.Redis;

namespace Gateway.Storage.Redis;

/// <summary>The names of all keys, in one cluster slot by the hash tag in braces.</summary>
internal sealed class RedisKeys(string prefix)
{
    private readonly string tag = $"{{{prefix}}}:";

    /// <summary>Stream of interactions; entry ids are <c>sequence-0</c>.</summary>
    public RedisKey Interactions => tag + "interactions";

    /// <summary>Hash from interaction id to sequence.</summary>
    public RedisKey InteractionIds => tag + "interactions:ids";

    /// <summary>The newest sequence.</summary>
    public RedisKey InteractionCounter => tag + "interactions:counter";

    /// <summary>
    /// Hash from an end user, as <see cref="NameOf"/> says it, to the milliseconds since 1970 up to which the user's interactions were
    /// deleted: one that begins before is not taken in any more.
    /// </summary>
    public RedisKey ErasedUsers => tag + "interactions:erased";

    /// <summary>Sorted set of the sequences with a flag.</summary>
    public RedisKey Flagged => tag + "interactions:flagged";

    /// <summary>Channel of changes.</summary>
    public string Changes => tag + "changes";

    /// <summary>Hash from document key to <c>version \n json</c>.</summary>
    public RedisKey Documents(string collection) => $"{tag}documents:{collection}";

    /// <summary>Sorted set of the document keys of a collection, all of score 0, so in byte order.</summary>
    public RedisKey DocumentKeys(string collection) => $"{tag}keys:{collection}";

    /// <summary>Remembers for a while that a commit was done, so that sending it again is harmless.</summary>
    public RedisKey Commit(Guid id) => $"{tag}commit:{id:N}";

    /// <summary>Hash with what is left of a key's requests and tokens of a minute.</summary>
    public RedisKey LimitBuckets(string keyId) => $"{tag}limits:{keyId}";

    /// <summary>Sorted set of a key's requests under way, by when they are given up.</summary>
    public RedisKey LimitsOpen(string keyId) => $"{tag}limits:{keyId}:open";

    /// <summary>What was used of a key's budget in one period.</summary>
    public RedisKey LimitBudget(string keyId, string budget) => $"{tag}limits:{keyId}:{budget}";

    /// <summary>Sorted set of the sequences of a deployment.</summary>
    public RedisKey OfDeployment(string deployment) => $"{tag}interactions:of:{deployment}";

    /// <summary>Sorted set of the sequences of an end user, whom the key does not name.</summary>
    public RedisKey OfUser(string user) => $"{tag}interactions:by:{NameOf(user)}";

    /// <summary>What stands for an end user in keys: the beginning of a hash.</summary>
    public static string NameOf(string user) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(user)).AsSpan(0, 16));

    /// <summary>The four sets that list an interaction, as the scripts expect them; nobody's set stays empty.</summary>
    public RedisKey[] Listings(string deployment, string? user) =>
        [OfDeployment(deployment), Flagged, FlaggedOfDeployment(deployment), OfUser(user ?? "")];

    /// <summary>Sorted set of the flagged sequences of a deployment.</summary>
    public RedisKey FlaggedOfDeployment(string deployment) => $"{tag}interactions:flagged:{deployment}";
}
