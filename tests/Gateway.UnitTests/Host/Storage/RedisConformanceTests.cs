using Gateway.Storage.Redis;
using Gateway.TestKit.Storage;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Gateway.UnitTests.Host.Storage;

public sealed class RedisDocumentConformanceTests(RedisServer server) : DocumentStoreConformance, IClassFixture<RedisServer>
{
    private readonly string prefix = $"{Guid.NewGuid():N}";

    protected override Task<OpenStore> OpenAsync() => RedisUnderTest.OpenAsync(server, prefix);
}

public sealed class RedisInteractionConformanceTests(RedisServer server) : InteractionLogConformance, IClassFixture<RedisServer>
{
    private readonly string prefix = $"{Guid.NewGuid():N}";

    protected override Task<OpenStore> OpenAsync() => RedisUnderTest.OpenAsync(server, prefix);
}

internal static class RedisUnderTest
{
    public static async Task<OpenStore> OpenAsync(RedisServer server, string prefix)
    {
        await server.StartAsync(TestContext.Current.CancellationToken);
        var store = await RedisStore.ConnectAsync(
            server.Address, new RedisStoreOptions { KeyPrefix = prefix }, TimeProvider.System, NullLogger.Instance);
        return new OpenStore(store, store, store);
    }
}
