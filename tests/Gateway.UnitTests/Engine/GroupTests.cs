using Gateway.Engine;
using Gateway.Engine.Sampling;
using Gateway.Model.Network;
using Gateway.TestKit;
using Xunit;

namespace Gateway.UnitTests.Engine;

/// <summary>Several requests handed over together, and requests that want no reply.</summary>
public sealed class GroupTests(EngineFixture fixture) : IClassFixture<EngineFixture>
{
    [Fact]
    public void Submit_ManyRepliesToOnePrompt_ThePromptIsComputedOnce()
    {
        using var engine = fixture.Paused();
        var prompt = EngineFixture.Request(1, 100, 1, null).Prompt.AsMemory();
        var requests = Enumerable.Range(0, 8).Select(seed => new GenerationRequest
        {
            Prompt = prompt,
            MaximumTokens = 12,
            Sampling = new SamplingSettings(1, 1, 0, seed),
        }).ToList();

        Assert.Equal(SubmitOutcome.Accepted, engine.Submit(requests, out var streams));
        RunToEnd(engine);

        var replies = streams!.Select(EngineFixture.Drain).ToList();
        Assert.All(replies, reply => Assert.Equal(13, reply.Count));
        Assert.Equal(8, replies.Select(reply => string.Join(' ', reply.Select(item => item.Token))).Distinct().Count());
        Assert.Equal([0, .. Enumerable.Repeat(96, 7)], replies.Select(reply => reply[^1].CachedPromptTokens));
        EngineFuzz.AssertIdle(engine);
    }

    [Fact]
    public void Cancel_TheReplyThatComputesThePrompt_TheOthersGoOn()
    {
        using var engine = fixture.Paused(new EngineOptions { TokenBudget = 65 });
        var prompt = EngineFixture.Request(1, 200, 1, null).Prompt.AsMemory();
        var requests = Enumerable.Range(0, 3).Select(_ => new GenerationRequest { Prompt = prompt, MaximumTokens = 5 }).ToList();
        Assert.Equal(SubmitOutcome.Accepted, engine.Submit(requests, out var streams));
        engine.Step();

        streams![0].Cancel();
        RunToEnd(engine);

        Assert.Equal([FinishReason.Cancelled, FinishReason.Length, FinishReason.Length], streams.Select(stream => EngineFixture.Drain(stream)[^1].Finish!.Value));
        EngineFuzz.AssertIdle(engine);
    }

    [Fact]
    public void Submit_MoreThanTheQueueTakes_TakesNone()
    {
        using var engine = fixture.Paused(new EngineOptions { MaximumRunning = 2, MaximumWaiting = 2 });
        var requests = Enumerable.Range(0, 5).Select(_ => new GenerationRequest { Prompt = new[] { 9 }, MaximumTokens = 5 }).ToList();

        Assert.Equal(SubmitOutcome.QueueFull, engine.Submit(requests, out var streams));
        Assert.Null(streams);
        Assert.Equal(SubmitOutcome.Accepted, engine.Submit(requests[..4], out _));
        RunToEnd(engine);
        EngineFuzz.AssertIdle(engine);
    }

    [Fact]
    public void Share_LeaseOfAName_KeepsItsGenerationWhenTheNameMoves()
    {
        using var lease = fixture.Adapters.Acquire("a2")!;
        using var shared = lease.Share();
        var generation = lease.Generation;
        lease.Dispose();

        Assert.Equal(generation, shared.Generation);
        Assert.Equal(1, fixture.Adapters.List().Generations.Single(item => item.Generation == generation).ActiveLeases);
    }

    /// <summary>The mean of the final states is the same bits however the prompt was cut into steps and whoever else runs.</summary>
    [Theory]
    [InlineData(null)]
    [InlineData("a0")]
    public void Embeds_AnyStepsAndNeighbours_TheSameBits(string? adapter)
    {
        var prompt = EngineFixture.Request(2, 90, 1, null).Prompt;
        using var alone = fixture.Paused();
        using var busy = fixture.Paused(new EngineOptions { TokenBudget = 20, MaximumRunning = 8, CacheBlocks = 16 });
        var expected = Embed(alone, prompt, adapter);
        for (var i = 0; i < 5; i++)
        {
            EngineFixture.Submit(busy, EngineFixture.Request(i, 30, 40, $"a{i % 3}"));
        }

        var given = Embed(busy, prompt, adapter);

        Assert.Equal(expected, given);
        Assert.Equal(fixture.Model.Config.HiddenSize, expected.Length);
        Assert.Contains(expected, value => value != 0);
        Assert.NotEqual(expected, Embed(alone, prompt[..^1], adapter));
        EngineFuzz.AssertIdle(busy);
    }

    private float[] Embed(InferenceEngine engine, int[] prompt, string? adapter)
    {
        var lease = adapter is null ? null : fixture.Adapters.Acquire(adapter);
        Assert.Equal(SubmitOutcome.Accepted, engine.Submit(new GenerationRequest { Prompt = prompt, MaximumTokens = 1, Embeds = true, Adapter = lease }, out var stream));
        RunToEnd(engine);
        Assert.Equal(FinishReason.Stop, Assert.Single(EngineFixture.Drain(stream!)).Finish);
        return stream!.Embedding.ToArray();
    }

    private static void RunToEnd(InferenceEngine engine)
    {
        while (engine.Step())
        {
        }
    }
}
