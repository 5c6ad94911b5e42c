using Gateway.Engine;
using Gateway.TestKit;
using Xunit;

namespace Gateway.UnitTests.Engine;

public sealed class InferenceEngineTests(EngineFixture fixture) : IClassFixture<EngineFixture>
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task RandomRequests_EveryReplyEqualsItsLoneRunAndMemoryComesBack() =>
        Assert.True(await EngineFuzz.RunAsync(steps: 600, seed: 1, Cancellation) > 0);

    [Fact]
    public async Task MixedBatchOfBaseAndThreeAdapters_EqualsEachRequestAlone()
    {
        string?[] adapters = [null, "a0", "a1", "a2"];
        var requests = adapters.Select(adapter => EngineFixture.Request(5, 20, 30, adapter)).ToList();
        using var engine = fixture.Start();

        var together = await Task.WhenAll(requests.Select(request => EngineFuzz.ReplyAsync(engine, request, null, Cancellation)));

        for (var i = 0; i < requests.Count; i++)
        {
            Assert.Equal(await EngineFuzz.ReplyAsync(engine, requests[i], null, Cancellation), together[i]);
        }

        Assert.Equal(4, together.Select(reply => string.Join(' ', reply)).Distinct().Count());
    }

    [Fact]
    public void Step_CacheTooSmallForAll_PreemptsAndStillGivesTheSameTokens()
    {
        var requests = Enumerable.Range(0, 4).Select(i => EngineFixture.Request(i, 15, 40, $"a{i % 3}")).ToList();
        using var roomy = fixture.Paused();
        using var tight = fixture.Paused(new EngineOptions { CacheBlocks = 6 });

        var expected = requests.Select(request => EngineFixture.Submit(roomy, request)).ToList();
        var given = requests.Select(request => EngineFixture.Submit(tight, request)).ToList();
        RunToEnd(roomy);
        RunToEnd(tight);

        Assert.Equal(expected.Select(EngineFixture.Drain), given.Select(EngineFixture.Drain));
        Assert.Equal(0, roomy.Statistics.Preemptions);
        Assert.True(tight.Statistics.Preemptions > 0);
        EngineFuzz.AssertIdle(tight);
    }

    [Fact]
    public void Cancel_RunningAndWaitingSequences_FreesTheirMemoryOnTheNextStep()
    {
        using var engine = fixture.Paused(new EngineOptions { MaximumRunning = 1, TokenBudget = 16 });
        var running = EngineFixture.Submit(engine, EngineFixture.Request(1, 40, 50, "a1"));
        var waiting = EngineFixture.Submit(engine, EngineFixture.Request(2, 40, 50, "a2"));
        engine.Step();
        Assert.True(engine.Statistics.FreeBlocks < engine.Statistics.TotalBlocks);

        running.Cancel();
        waiting.Cancel();
        engine.Step();

        EngineFuzz.AssertIdle(engine);
        Assert.Equal(FinishReason.Cancelled, Assert.Single(EngineFixture.Drain(running)).Finish);
        Assert.Equal(FinishReason.Cancelled, Assert.Single(EngineFixture.Drain(waiting)).Finish);
    }

    [Fact]
    public async Task NonFiniteLogits_FailTheirSequenceOnlyAndTheEngineLivesOn()
    {
        fixture.Adapters.Load("broken", fixture.Model.WriteAdapter(9, magnitude: 1e30f), replace: true);
        using var engine = fixture.Start();
        var healthy = EngineFixture.Request(3, 10, 20, "a0");
        var before = await EngineFuzz.ReplyAsync(engine, healthy, null, Cancellation);

        var broken = EngineFixture.Submit(engine, EngineFixture.Request(3, 10, 20, "broken"));
        var during = await EngineFuzz.ReplyAsync(engine, healthy, null, Cancellation);
        var end = await broken.ReadAllAsync(Cancellation).SingleAsync(Cancellation);

        Assert.Equal(FinishReason.Failed, end.Finish);
        Assert.StartsWith("non_finite_logits", end.Error, StringComparison.Ordinal);
        Assert.Equal(before, during);
        Assert.Equal(before, await EngineFuzz.ReplyAsync(engine, healthy, null, Cancellation));
        fixture.Adapters.Unload("broken");
        EngineFuzz.AssertIdle(engine);
    }

    [Fact]
    public void Submit_SequenceLongerThanContextOrCache_IsRefused()
    {
        using var engine = fixture.Paused(new EngineOptions { CacheBlocks = 4 });

        Assert.Equal(64, engine.MaximumSequenceLength);
        Assert.Equal(SubmitOutcome.PromptTooLong, engine.Submit(new GenerationRequest { Prompt = new int[60], MaximumTokens = 5 }, out _));
        Assert.Equal(SubmitOutcome.Accepted, engine.Submit(new GenerationRequest { Prompt = new int[60], MaximumTokens = 4 }, out _));
    }

    [Fact]
    public void Submit_QueueFullOrStopped_IsRefused()
    {
        var engine = fixture.Paused(new EngineOptions { MaximumRunning = 1, MaximumWaiting = 1 });
        var request = new GenerationRequest { Prompt = new[] { 1 }, MaximumTokens = 1 };

        Assert.Equal(SubmitOutcome.Accepted, engine.Submit(request, out var first));
        Assert.Equal(SubmitOutcome.Accepted, engine.Submit(request, out _));
        Assert.Equal(SubmitOutcome.QueueFull, engine.Submit(request, out _));
        engine.Dispose();
        Assert.Equal(SubmitOutcome.Stopped, engine.Submit(request, out _));
        Assert.Equal(FinishReason.Failed, Assert.Single(EngineFixture.Drain(first!)).Finish);
        first!.Cancel();
    }

    [Fact]
    public void Step_SteadyDecoding_AllocatesNothingOnTheComputeThread()
    {
        using var engine = fixture.Paused();
        string?[] adapters = [null, "a0", "a1", "a2"];
        List<GenerationStream> Submit() => [.. adapters.Select((adapter, i) => EngineFixture.Submit(engine, EngineFixture.Request(i, 30, 200, adapter)))];

        // The first round lets every scratch buffer grow to its final size.
        Submit();
        RunToEnd(engine);
        var streams = Submit();
        for (var step = 0; step < 20; step++)
        {
            engine.Step();
        }

        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var step = 0; step < 150; step++)
        {
            engine.Step();
        }

        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
        // At least a token a step: a proposal that was right gives more.
        Assert.All(streams, stream => Assert.InRange(EngineFixture.Drain(stream).Count, 170, 201));
    }

    private static void RunToEnd(InferenceEngine engine)
    {
        for (var step = 0; engine.Step(); step++)
        {
            Assert.True(step < 10_000, "the engine does not come to an end.");
        }
    }
}
