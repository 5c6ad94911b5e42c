using Gateway.Storage;
using Gateway.Storage.Files;
using Gateway.TestKit;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Gateway.UnitTests.Host.Storage;

public sealed class LeasesTests : IAsyncDisposable
{
    private static readonly TimeSpan Duration = TimeSpan.FromSeconds(30);
    private readonly TemporaryFolder folder = TestData.CreateFolder();
    private readonly ManualClock clock = new();
    private readonly FilesStore store;
    private readonly Leases leases;

    public LeasesTests()
    {
        store = FilesStore.Open(folder.Path, new FilesStoreOptions(), TimeProvider.System, NullLogger.Instance);
        leases = new Leases(store, clock);
    }

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public async ValueTask DisposeAsync()
    {
        await store.DisposeAsync();
        folder.Dispose();
    }

    [Fact]
    public async Task Acquire_WhileHeld_FailsForEverybody()
    {
        Assert.Equal(1, (await leases.TryAcquireAsync("rollout", "a", Duration, Token))!.Fence);
        Assert.Null(await leases.TryAcquireAsync("rollout", "b", Duration, Token));
        Assert.Null(await leases.TryAcquireAsync("rollout", "a", Duration, Token));
        Assert.NotNull(await leases.TryAcquireAsync("another", "b", Duration, Token));
    }

    [Fact]
    public async Task Acquire_AfterExpiry_RaisesTheFenceAndEndsTheOldHolder()
    {
        var old = await leases.TryAcquireAsync("rollout", "a", Duration, Token);
        clock.Advance(Duration);
        Assert.Equal(2, (await leases.TryAcquireAsync("rollout", "b", Duration, Token))!.Fence);
        Assert.Null(await leases.RenewAsync(old!, Duration, Token));
        await leases.ReleaseAsync(old!, Token);
        Assert.Null(await leases.TryAcquireAsync("rollout", "a", Duration, Token));
    }

    [Fact]
    public async Task Renew_InTime_KeepsFenceAndMovesTheEnd()
    {
        var lease = await leases.TryAcquireAsync("rollout", "a", Duration, Token);
        clock.Advance(Duration / 2);
        var renewed = await leases.RenewAsync(lease!, Duration, Token);
        Assert.Equal((1L, clock.GetUtcNow() + Duration), (renewed!.Fence, renewed.ExpiresAt));
        clock.Advance(Duration * 0.75);
        Assert.Null(await leases.TryAcquireAsync("rollout", "b", Duration, Token));
    }

    [Fact]
    public async Task Renew_AfterExpiry_FailsEvenWhenNobodyTookIt()
    {
        var lease = await leases.TryAcquireAsync("rollout", "a", Duration, Token);
        clock.Advance(Duration);
        Assert.Null(await leases.RenewAsync(lease!, Duration, Token));
    }

    [Fact]
    public async Task Release_FreesAtOnceAndFencesKeepRising()
    {
        var lease = await leases.TryAcquireAsync("rollout", "a", Duration, Token);
        await leases.ReleaseAsync(lease!, Token);
        Assert.Equal(2, (await leases.TryAcquireAsync("rollout", "b", Duration, Token))!.Fence);
    }

    [Fact]
    public async Task Acquire_ByManyAtOnce_HasOneHolder()
    {
        var acquired = await Task.WhenAll(Enumerable.Range(0, 16).Select(i => leases.TryAcquireAsync("rollout", $"{i}", Duration, Token)));
        Assert.Single(acquired, lease => lease is not null);
    }
}
