using Gateway.Domain.Interactions;
using Gateway.Storage.Redis;
using Gateway.TestKit;
using Gateway.TestKit.Storage;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Gateway.UnitTests.Host.Storage;

public sealed class RedisSpillTests : IDisposable
{
    private readonly RedisServer server = new();
    private readonly TemporaryFolder folder = TestData.CreateFolder();

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public void Dispose()
    {
        server.Dispose();
        folder.Dispose();
    }

    [Fact]
    public async Task Outage_GoesToAFile_AndRedisGetsEverythingInOrderAfterwards()
    {
        await using var store = await ConnectAsync();
        await AppendAsync(store, 0, 10);
        server.Kill();

        // Acknowledged while the server is away.
        await AppendAsync(store, 10, 400);
        Assert.NotEmpty(Directory.GetFiles(folder.Path, "*.spill"));
        await server.StartAsync(Token);
        await AppendAsync(store, 400, 410);
        await AssertHasAsync(store, 410);
    }

    [Fact]
    public async Task Outage_OverTheEndOfTheProcess_IsMadeUpForByTheNextOne()
    {
        await using (var store = await ConnectAsync())
        {
            await AppendAsync(store, 0, 5);
            server.Kill();
            await AppendAsync(store, 5, 300);
        }

        await using var next = await ConnectAsync();
        await AssertHasAsync(next, 300);
        await next.DisposeAsync();
        Assert.Empty(Directory.GetFiles(folder.Path, "*.spill*"));
    }

    /// <summary>A crash between sending and forgetting leaves the file as it was.</summary>
    [Fact]
    public async Task FileThatWasSentBefore_AddsNothingTwice()
    {
        var interactions = Enumerable.Range(0, 20).Select(Make).ToList();
        await using (var store = await ConnectAsync())
        {
            foreach (var interaction in interactions)
            {
                await store.AppendAsync(interaction, Token);
            }

            await store.FlushAsync(Token);
        }

        using (var left = SpillFile.Open(folder.Path, TimeProvider.System, NullLogger.Instance))
        {
            left.Add(interactions);
        }

        await using var next = await ConnectAsync();
        await AssertHasAsync(next, 20);
    }

    [Fact]
    public void Files_OfTwoProcesses_AreApart_AndOneLeftBehindIsTakenOver()
    {
        var first = SpillFile.Open(folder.Path, TimeProvider.System, NullLogger.Instance);
        var second = SpillFile.Open(folder.Path, TimeProvider.System, NullLogger.Instance);
        first.Add([Make(1)]);
        second.Add([Make(2)]);
        Assert.Equal((1, 1), (first.Count, second.Count));
        first.Dispose();
        second.Dispose();
        using var heir = SpillFile.Open(folder.Path, TimeProvider.System, NullLogger.Instance);
        Assert.Equal(["i1", "i2"], heir.Peek(10).Select(interaction => interaction.Id).Order());
        Assert.Single(Directory.GetFiles(folder.Path, "*.spill"));
    }

    private static async Task AppendAsync(RedisStore store, int from, int to)
    {
        for (var i = from; i < to; i++)
        {
            await store.AppendAsync(Make(i), Token);
        }

        await store.FlushAsync(Token);
    }

    private static Interaction Make(int i) => new()
    {
        Id = $"i{i}",
        CreatedAt = DateTimeOffset.UnixEpoch,
        Deployment = "demo",
        Messages = [],
        End = EndReason.Stop,
        Timings = new Timings(null, 1),
    };

    private static async Task AssertHasAsync(RedisStore store, int count)
    {
        while (await store.ReadAsync(0, Token).CountAsync(Token) < count)
        {
            await Task.Delay(10, Token);
        }

        Assert.Equal(
            Enumerable.Range(0, count).Select(i => $"i{i}"),
            await store.ReadAsync(0, Token).Select(logged => logged.Interaction.Id).ToListAsync(Token));
    }

    private async Task<RedisStore> ConnectAsync()
    {
        await server.StartAsync(Token);
        return await RedisStore.ConnectAsync(
            server.Address, new RedisStoreOptions { SpillFolder = folder.Path }, TimeProvider.System, NullLogger.Instance);
    }
}
