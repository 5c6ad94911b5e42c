using System.Reflection;
using Gateway.Storage.Redis;
using StackExchange.Redis;
using Xunit;

namespace Gateway.UnitTests.Host.Storage;

public sealed class RedisKeysTests
{
    /// <summary>A cluster hashes what stands between the first braces, so scripts may touch several keys only when that is the same.</summary>
    [Theory]
    [InlineData("plain")]
    [InlineData("a{b}c")]
    [InlineData("}{")]
    [InlineData("ä:* \n")]
    public void EveryKey_IsInTheSlotOfThePrefix(string name)
    {
        var keys = new RedisKeys("gateway");
        List<RedisKey> all =
        [
            .. typeof(RedisKeys).GetProperties(BindingFlags.Public | BindingFlags.Instance)
                .Where(property => property.PropertyType == typeof(RedisKey)).Select(property => (RedisKey)property.GetValue(keys)!),
            .. typeof(RedisKeys).GetMethods(BindingFlags.Public | BindingFlags.Instance)
                .Where(method => method.ReturnType == typeof(RedisKey) && method.GetParameters() is [{ ParameterType: var type }] && type == typeof(string))
                .Select(method => (RedisKey)method.Invoke(keys, [name])!),
            .. keys.Listings(name, name),
            keys.Commit(Guid.NewGuid()),
        ];
        Assert.True(all.Count >= 14, $"only {all.Count} keys were found");
        Assert.All(all, key => Assert.Equal("gateway", HashTag(key!)));
    }

    private static string HashTag(string key)
    {
        var open = key.IndexOf('{', StringComparison.Ordinal);
        var close = key.IndexOf('}', open + 1);
        return key[(open + 1)..close];
    }
}
