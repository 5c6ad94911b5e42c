using System.Globalization;
using System.Text;
using Gateway.Domain.Audit;
using Gateway.Domain.Storage;
using Gateway.Storage;
using Gateway.Storage.Files;
using Gateway.TestKit;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Gateway.UnitTests.Host.Storage;

public sealed class ControlPlaneTests : IAsyncDisposable
{
    private readonly TemporaryFolder folder = TestData.CreateFolder();
    private readonly FilesStore store;
    private readonly ControlPlane control;

    public ControlPlaneTests()
    {
        store = FilesStore.Open(folder.Path, new FilesStoreOptions(), TimeProvider.System, NullLogger.Instance);
        control = new ControlPlane(store, new ManualClock());
    }

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public async ValueTask DisposeAsync()
    {
        control.Dispose();
        await store.DisposeAsync();
        folder.Dispose();
    }

    [Fact]
    public async Task Apply_CommitsWritesAndAuditEntryTogether()
    {
        Assert.Equal("done", await control.ApplyAsync("op", "deployment.move", "demo", "because", _ => Decide("demo", 0, "done"), Token));
        Assert.NotNull(await store.GetAsync("things", "demo", Token));
        var entry = Assert.Single(await TrailAsync());
        Assert.Equal((1L, "op", "deployment.move", "demo", "because"), (entry.Sequence, entry.Actor, entry.Action, entry.Subject, entry.Reason));
    }

    [Fact]
    public async Task Apply_DecisionWithoutWrites_ChangesAndAuditsNothing()
    {
        var result = await control.ApplyAsync(
            "op", "deployment.move", "demo", "why", _ => Task.FromResult(new ControlDecision<string>([], "unknown deployment")), Token);
        Assert.Equal("unknown deployment", result);
        Assert.Empty(await TrailAsync());
    }

    [Fact]
    public async Task Apply_ManyAtOnceFromTwoProcesses_LosesNothingAndChainsEveryEntry()
    {
        using var other = new ControlPlane(store, new ManualClock());
        await store.CommitAsync([Write("counter", 0, "0")], Token);
        await Task.WhenAll(Enumerable.Range(0, 40).Select(i => (i % 2 == 0 ? control : other).ApplyAsync("op", "counter.add", "counter", $"{i}", IncrementAsync, Token)));
        Assert.Equal("40", Encoding.UTF8.GetString((await store.GetAsync("things", "counter", Token))!.Json.Span));
        var trail = await TrailAsync();
        Assert.Equal(40, trail.Count);
        Assert.Null(AuditChain.Verify(trail));
    }

    [Fact]
    public async Task Apply_ConflictThatNeverEnds_GivesUpAndAuditsNothing()
    {
        await store.CommitAsync([Write("demo", 0, "x")], Token);
        await Assert.ThrowsAsync<StoreUnavailableException>(
            () => control.ApplyAsync("op", "deployment.move", "demo", "why", _ => Decide("demo", 0, "x"), Token));
        Assert.Empty(await TrailAsync());
    }

    private static DocumentWrite Write(string key, long? expected, string text) => new("things", key, expected, Encoding.UTF8.GetBytes(text));

    private static Task<ControlDecision<string>> Decide(string key, long? expected, string result) =>
        Task.FromResult(new ControlDecision<string>([Write(key, expected, "{}")], result));

    private async Task<ControlDecision<int>> IncrementAsync(CancellationToken cancellationToken)
    {
        var document = await store.GetAsync("things", "counter", cancellationToken);
        var value = int.Parse(document!.Json.Span, CultureInfo.InvariantCulture) + 1;
        return new ControlDecision<int>([Write("counter", document.Version, $"{value}")], value);
    }

    private async Task<List<AuditEntry>> TrailAsync() => await control.ReadAuditAsync(1, Token).ToListAsync(Token);
}
