using Gateway.Engine;
using Gateway.Engine.Adapters;
using Gateway.Model.Lora;
using Gateway.TestKit;
using Xunit;

namespace Gateway.UnitTests.Engine;

public sealed class AdapterSlotsTests(EngineFixture fixture) : IClassFixture<EngineFixture>
{
    [Fact]
    public void Load_TakenName_IsRefusedUnlessReplacementIsAskedFor()
    {
        using var slots = Slots();
        var first = slots.Load("x", fixture.Model.WriteAdapter(1), replace: false);

        Assert.Equal(AdapterLoadOutcome.NameTaken, slots.Load("x", fixture.Model.WriteAdapter(2), replace: false).Outcome);
        var replaced = slots.Load("x", fixture.Model.WriteAdapter(2), replace: true);

        Assert.Equal((AdapterLoadOutcome.Loaded, first.Generation), (replaced.Outcome, replaced.Previous));
        Assert.NotEqual(first.Generation, replaced.Generation);
        Assert.Equal(replaced.Generation, Assert.Single(slots.List().Generations).Generation);
    }

    [Fact]
    public void Load_SameContentUnderTwoNames_SharesOneGeneration()
    {
        using var slots = Slots();

        var first = slots.Load("x", fixture.Model.WriteAdapter(1), replace: false);
        var second = slots.Load("y", fixture.Model.WriteAdapter(1), replace: false);

        Assert.Equal(first.Generation, second.Generation);
        Assert.Equal(["x", "y"], Assert.Single(slots.List().Generations).Names);
    }

    [Fact]
    public void Unload_LeasedGeneration_IsRetiredAndFreedWithTheLastLease()
    {
        using var slots = Slots();
        slots.Load("x", fixture.Model.WriteAdapter(1), replace: false);
        var (first, second) = (slots.Acquire("x")!, slots.Acquire("x")!);

        Assert.Equal(AdapterUnload.Unloaded, slots.Unload("x"));
        Assert.Null(slots.Acquire("x"));
        first.Dispose();
        first.Dispose();
        Assert.Equal((true, 1), Assert.Single(slots.List().Generations) is var one ? (one.Retired, one.ActiveLeases) : default);
        second.Dispose();

        Assert.Empty(slots.List().Generations);
    }

    [Fact]
    public void LoadAndUnload_ExpectedGeneration_IsACompareAndSwap()
    {
        using var slots = Slots();
        var loaded = slots.Load("x", fixture.Model.WriteAdapter(1), replace: false);

        Assert.Equal(AdapterLoadOutcome.GenerationMismatch, slots.Load("x", fixture.Model.WriteAdapter(2), true, "other").Outcome);
        Assert.Equal(AdapterUnload.GenerationMismatch, slots.Unload("x", "other"));
        Assert.Equal(loaded.Generation, Assert.Single(slots.List().Names).Generation);
        Assert.Equal(AdapterUnload.Unloaded, slots.Unload("x", loaded.Generation));
        Assert.Equal(AdapterUnload.NotFound, slots.Unload("x"));
    }

    [Fact]
    public void Load_BadFolders_LeaveTheOldGenerationInPlace()
    {
        using var slots = Slots();
        var loaded = slots.Load("x", fixture.Model.WriteAdapter(1), replace: false);
        using var empty = TestData.CreateFolder();

        Assert.Equal(AdapterLoadOutcome.PathNotFound, slots.Load("x", Path.Combine(empty.Path, "nowhere"), replace: true).Outcome);
        Assert.Equal(AdapterLoadOutcome.Invalid, slots.Load("x", empty.Path, replace: true).Outcome);
        Assert.Equal(loaded.Generation, Assert.Single(slots.List().Names).Generation);
    }

    [Fact]
    public void Load_BesidePinnedGenerationsThatFillTheMemory_IsRefused()
    {
        using var slots = new AdapterSlots(fixture.Model.Config, null, new AdapterLimits(), 1, TimeProvider.System);
        slots.Load("x", fixture.Model.WriteAdapter(1), replace: false, pinned: true);

        Assert.Equal(AdapterLoadOutcome.LimitExceeded, slots.Load("y", fixture.Model.WriteAdapter(2), replace: false).Outcome);
        Assert.Equal("x", Assert.Single(slots.List().Names).Name);
    }

    [Fact]
    public async Task SwapUnderLoad_NoFailureNoMixtureAndAnswersComeBack()
    {
        var cancellation = TestContext.Current.CancellationToken;
        using var slots = Slots();
        using var engine = new InferenceEngine(fixture.Transformer, slots, new EngineOptions { MaximumRunning = 8 });
        string[] folders = [fixture.Model.WriteAdapter(1), fixture.Model.WriteAdapter(2)];
        var expected = new Dictionary<string, int[]>(StringComparer.Ordinal);
        var request = EngineFixture.Request(4, 12, 40, "live");
        foreach (var folder in folders)
        {
            var generation = slots.Load("live", folder, replace: true).Generation!;
            expected[generation] = await EngineFuzz.ReplyAsync(engine, request, null, cancellation);
        }

        using var stop = new CancellationTokenSource();
        var swapping = Task.Run(() =>
        {
            for (var swap = 0; !stop.IsCancellationRequested; swap++)
            {
                Assert.Equal(AdapterLoadOutcome.Loaded, slots.Load("live", folders[swap % 2], replace: true).Outcome);
            }
        }, cancellation);
        var seen = await Task.WhenAll(Enumerable.Range(0, 6).Select(async _ =>
        {
            var generations = new List<string>();
            for (var i = 0; i < 10; i++)
            {
                var lease = slots.Acquire("live")!;
                var generation = lease.Generation;
                Assert.Equal(SubmitOutcome.Accepted, engine.Submit(
                    new GenerationRequest { Prompt = request.Prompt, MaximumTokens = 40, EndTokens = [7], Adapter = lease }, out var stream));
                var tokens = await stream!.ReadAllAsync(cancellation).Where(item => item.Finish is null).Select(item => item.Token).ToArrayAsync(cancellation);
                Assert.Equal(expected[generation], tokens);
                generations.Add(generation);
            }

            return generations;
        }));
        await stop.CancelAsync();
        await swapping;

        Assert.Equal(2, seen.SelectMany(list => list).Distinct().Count());
        EngineFuzz.AssertIdle(engine);
        Assert.Single(slots.List().Generations);
    }

    private AdapterSlots Slots() => new(fixture.Model.Config, null, new AdapterLimits(), 8, TimeProvider.System);
}
