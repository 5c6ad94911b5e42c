using System.Collections.Concurrent;
using System.Globalization;
using System.Text;
using Gateway.Domain.Interactions;
using Gateway.Domain.Storage;
using Gateway.Storage;
using Gateway.Storage.Redis;
using Gateway.TestKit.Storage;
using Microsoft.Extensions.Logging.Abstractions;
using StackExchange.Redis;
using Xunit;

namespace Gateway.UnitTests.Host.Storage;

public sealed class RedisStoreTests : IDisposable
{
    private readonly RedisServer server = new();

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public void Dispose() => server.Dispose();

    [Fact]
    public async Task Connect_NobodyAnswers_IsRefusedWithoutThePassword()
    {
        var refusal = await Assert.ThrowsAsync<StoreUnavailableException>(() => RedisStore.ConnectAsync(
            $"{server.Address},password=secret,connectTimeout=300,connectRetry=1", new RedisStoreOptions(), TimeProvider.System, NullLogger.Instance));
        Assert.Contains("does not answer", refusal.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("secret", refusal.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Call_ServerGoneForGood_FailsWithOneSentence()
    {
        await using var store = await ConnectAsync(new RedisStoreOptions { RetryFor = TimeSpan.FromMilliseconds(200) });
        server.Kill();
        var failure = await Assert.ThrowsAsync<StoreUnavailableException>(() => store.GetAsync("c", "k", Token).AsTask());
        Assert.Contains("has not answered", failure.Message, StringComparison.Ordinal);
    }

    /// <summary>Counters are raised by compare-and-set, so a commit that were applied twice or lost would show in the final value.</summary>
    [Fact]
    public async Task ServerKilledAndRestartedUnderLoad_LosesNothingAcknowledged()
    {
        await using var store = await ConnectAsync(new RedisStoreOptions { RetryFor = TimeSpan.FromSeconds(30) });
        var changes = store.WatchAsync(Token);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(Token);
        var acknowledged = new ConcurrentDictionary<string, int>(StringComparer.Ordinal);
        var appended = new ConcurrentBag<string>();
        var writers = Enumerable.Range(0, 4).Select(writer => Task.Run(() => WriteAsync(store, writer, acknowledged, appended, stop.Token))).ToList();
        for (var round = 0; round < 2; round++)
        {
            var before = appended.Count;
            server.Kill();
            await server.StartAsync(Token);
            while (appended.Count < before + 100)
            {
                await Task.Delay(10, Token);
            }
        }

        await stop.CancelAsync();
        await Task.WhenAll(writers);
        await store.FlushAsync(Token);

        foreach (var (key, value) in acknowledged)
        {
            var document = await store.GetAsync("c", key, Token);
            Assert.Equal((value, value), (Parse(document!), (int)document!.Version));
        }

        var ids = await store.ReadAsync(0, Token).Select(logged => logged.Interaction.Id).ToListAsync(Token);
        Assert.Equal(appended.Order(StringComparer.Ordinal), ids.Order(StringComparer.Ordinal));
        Assert.Equal(new DocumentChange("", ""), await changes.FirstAsync(change => change.Collection.Length == 0, Token));
    }

    /// <summary>Retention takes entries from the front: the stream is shorter by them, and no index knows them any more.</summary>
    [Fact]
    public async Task Erase_OldestEntries_TrimsTheStreamAndItsIndexes()
    {
        await using var store = await ConnectAsync(new RedisStoreOptions());
        for (var i = 0; i < 500; i++)
        {
            await store.AppendAsync(MakeInteraction($"i{i}") with { User = "ann", Flags = [new Flag(FlagKind.Empty, "no text")] }, Token);
        }

        await store.FlushAsync(Token);
        using var client = await ConnectionMultiplexer.ConnectAsync(server.Address);
        var redis = client.GetDatabase();
        var keys = new RedisKeys("gateway");
        var before = (long)await redis.ExecuteAsync("MEMORY", "USAGE", keys.Interactions, "SAMPLES", "0");
        var oldest = await store.ReadAsync(0, Token).Take(450).Select(logged => logged.Interaction).ToListAsync(Token);
        Assert.Equal(450, await store.EraseAsync(oldest, Token));

        Assert.Equal(50, (long)await redis.ExecuteAsync("XLEN", keys.Interactions));
        Assert.InRange((long)await redis.ExecuteAsync("MEMORY", "USAGE", keys.Interactions, "SAMPLES", "0"), 1, before / 2);
        Assert.Equal(50, await redis.HashLengthAsync(keys.InteractionIds));
        foreach (var set in keys.Listings("demo", "ann"))
        {
            Assert.Equal(50, await redis.SortedSetLengthAsync(set));
        }

        Assert.Equal("i450", (await store.ReadAsync(0, Token).FirstAsync(Token)).Interaction.Id);
    }

    private static int Parse(Document document) => int.Parse(document.Json.Span, CultureInfo.InvariantCulture);

    private static async Task WriteAsync(
        RedisStore store, int writer, ConcurrentDictionary<string, int> acknowledged, ConcurrentBag<string> appended, CancellationToken stop)
    {
        var key = $"counter{writer}";
        for (var value = 1; !stop.IsCancellationRequested; value++)
        {
            var result = await store.CommitAsync(
                [new DocumentWrite("c", key, value - 1, Encoding.UTF8.GetBytes($"{value}"))], CancellationToken.None);
            Assert.True(result.Committed, $"commit {value} of {key} was applied before it was acknowledged");
            acknowledged[key] = value;
            var id = $"{writer}-{value}";
            await store.AppendAsync(MakeInteraction(id), CancellationToken.None);
            appended.Add(id);
        }
    }

    private static Interaction MakeInteraction(string id) => new()
    {
        Id = id,
        CreatedAt = DateTimeOffset.UnixEpoch,
        Deployment = "demo",
        Messages = [new ChatMessage { Role = "user", Content = "hello" }],
        End = EndReason.Stop,
        Timings = new Timings(null, 1),
    };

    private async Task<RedisStore> ConnectAsync(RedisStoreOptions options)
    {
        await server.StartAsync(Token);
        return await RedisStore.ConnectAsync(server.Address, options, TimeProvider.System, NullLogger.Instance);
    }
}
