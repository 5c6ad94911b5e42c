using Gateway.Engine;
using Gateway.TestKit;
using Xunit;

namespace Gateway.UnitTests.Engine;

public sealed class PrefixCacheTests(EngineFixture fixture) : IClassFixture<EngineFixture>
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task SamePromptTwice_TheSecondFindsAllButTheLastBlockAndAnswersTheSame()
    {
        using var engine = fixture.Start();
        var request = EngineFixture.Request(1, 64, 30, "a1");

        var (first, cachedFirst) = await ReplyAsync(engine, request);
        var (second, cachedSecond) = await ReplyAsync(engine, request);

        // 64 tokens are four full blocks, but the last token's logits are needed.
        Assert.Equal((0, 48), (cachedFirst, cachedSecond));
        Assert.Equal(first, second);
        Assert.Equal((128, 48), (engine.Statistics.PromptTokens, engine.Statistics.CachedPromptTokens));
        EngineFuzz.AssertIdle(engine);
    }

    [Fact]
    public async Task NextTurn_FindsTheReplyToo()
    {
        using var engine = fixture.Start();
        var request = EngineFixture.Request(2, 20, 40, null);
        var (reply, _) = await ReplyAsync(engine, request);
        var next = request with { Prompt = [.. request.Prompt, .. reply, 9, 9, 9] };

        var (_, cached) = await ReplyAsync(engine, next);

        // The last token of the reply was drawn, not processed: 59 positions, three full blocks.
        Assert.Equal(48, cached);
    }

    [Fact]
    public async Task AdapterSwappedToAnotherAndBack_SharesWithNobodyElseAndAnswersAsBefore()
    {
        using var cached = fixture.Start();
        using var plain = fixture.Start(new EngineOptions { SharePrefixes = false });
        string?[] order = ["a0", "a1", "a0", null, "a1", "a0", null];
        var seen = new HashSet<string>();
        foreach (var adapter in order)
        {
            var request = EngineFixture.Request(3, 50, 30, adapter);
            var (reply, tokens) = await ReplyAsync(cached, request);
            var (expected, none) = await ReplyAsync(plain, request);

            Assert.Equal(expected, reply);
            Assert.Equal(0, none);
            Assert.Equal(seen.Add(adapter ?? "") ? 0 : 48, tokens);
        }
    }

    [Fact]
    public async Task DifferentSalts_ShareNothing()
    {
        using var engine = fixture.Start();
        var request = EngineFixture.Request(4, 40, 5, null);
        int?[] cached =
        [
            (await ReplyAsync(engine, request, "alice")).Cached, (await ReplyAsync(engine, request, "bob")).Cached,
            (await ReplyAsync(engine, request)).Cached, (await ReplyAsync(engine, request, "alice")).Cached,
        ];

        Assert.Equal([0, 0, 0, 32], cached);
    }

    [Fact]
    public async Task PrefixesOfDifferentLengths_AnswerAsWithoutSharing()
    {
        // 14 blocks for conversations of up to 9: most of what could be found has been evicted.
        using var tight = fixture.Start(new EngineOptions { CacheBlocks = 14, MaximumRunning = 3, TokenBudget = 20 });
        using var plain = fixture.Start(new EngineOptions { SharePrefixes = false });
        var random = new Random(5);
        var text = EngineFixture.Request(5, 110, 1, null).Prompt;
        var requests = Enumerable.Range(0, 60).Select(i => new FuzzRequest(
            [.. text[..random.Next(1, 110)], random.Next(8, 12)], random.Next(1, 30), Gateway.Engine.Sampling.SamplingSettings.Greedy, random.Next(3) == 0 ? "a0" : null, null)).ToList();

        var given = await Task.WhenAll(requests.Select(request => ReplyAsync(tight, request)));

        for (var i = 0; i < requests.Count; i++)
        {
            Assert.Equal((await ReplyAsync(plain, requests[i])).Reply, given[i].Reply);
        }

        Assert.Contains(given, reply => reply.Cached > 0);
        EngineFuzz.AssertIdle(tight);
    }

    [Fact]
    public void CancelledPrefill_PublishesOnlyWhatWasComputed()
    {
        using var engine = fixture.Paused(new EngineOptions { MaximumRunning = 1, TokenBudget = 20 });
        var request = EngineFixture.Request(6, 90, 5, null);
        var cancelled = EngineFixture.Submit(engine, request);
        engine.Step();
        engine.Step();
        cancelled.Cancel();
        engine.Step();

        var again = EngineFixture.Submit(engine, request);
        while (engine.Step())
        {
        }

        // Two steps of 20 tokens filled two blocks of 16.
        Assert.Equal(32, again.CachedPromptTokens);
        using var plain = fixture.Paused(new EngineOptions { SharePrefixes = false });
        var expected = EngineFixture.Submit(plain, request);
        while (plain.Step())
        {
        }

        Assert.Equal(EngineFixture.Drain(expected).Select(item => item.Token), EngineFixture.Drain(again).Select(item => item.Token));
    }

    [Fact]
    public async Task WarmAsync_PromptOfAContract_IsFoundByTheFirstRequest()
    {
        using var engine = fixture.Start();
        var request = EngineFixture.Request(7, 70, 5, "a2");

        Assert.True(await engine.WarmAsync(request.Prompt.AsMemory(0, 64), fixture.Adapters.Acquire("a2"), null, Cancellation));

        Assert.Equal(64, (await ReplyAsync(engine, request)).Cached);
        Assert.Equal(0, (await ReplyAsync(engine, request with { Adapter = "a1" })).Cached);
        EngineFuzz.AssertIdle(engine);
    }

    private static async Task<(int[] Reply, int Cached)> ReplyAsync(InferenceEngine engine, FuzzRequest request, string? salt = null)
    {
        var lease = request.Adapter is null ? null : engine.Adapters.Acquire(request.Adapter);
        Assert.Equal(SubmitOutcome.Accepted, engine.Submit(
            new GenerationRequest { Prompt = request.Prompt, MaximumTokens = request.MaximumTokens, Adapter = lease, CacheSalt = salt }, out var stream));
        var events = await stream!.ReadAllAsync(Cancellation).ToListAsync(Cancellation);
        return ([.. events.SkipLast(1).Select(item => item.Token)], events[^1].CachedPromptTokens);
    }
}
