using Gateway.Engine;
using Gateway.Engine.Sampling;
using Gateway.Engine.Scheduling;
using Gateway.Engine.Speculation;
using Gateway.TestKit;
using Xunit;

namespace Gateway.UnitTests.Engine;

public sealed class SpeculationTests(EngineFixture fixture) : IClassFixture<EngineFixture>
{
    [Theory]
    [InlineData("1 2 3 4 5 6 1 2 3", 3, "4 5 6")]
    [InlineData("1 2 3 4 9 1 2 3 5 9 1 2 3", 2, "5 9")] // the latest among equals
    [InlineData("8 1 2 3 4 9 1 2 3 5 8 1 2 3", 1, "4")] // the longest
    [InlineData("7 7 7 7", 4, "7 7 7 7")] // runs into its own proposal
    [InlineData("1 2 3 4 2 3", 4, "")] // two tokens are not enough
    [InlineData("1 2 3", 4, "")]
    public void PromptLookup_EarlierPlace_ProposesWhatFollowed(string tokens, int most, string expected)
    {
        var proposal = new int[most];
        var count = PromptLookup.Propose([.. tokens.Split(' ').Select(int.Parse)], proposal);

        Assert.Equal(expected, string.Join(' ', proposal[..count]));
    }

    [Fact]
    public void PromptLookup_RandomTexts_ProposesOnlyContinuationsOfARealMatch()
    {
        var random = new Random(1);
        for (var round = 0; round < 2000; round++)
        {
            var tokens = Enumerable.Range(0, random.Next(1, 80)).Select(_ => random.Next(3)).ToArray();
            var proposal = new int[random.Next(1, 9)];
            var count = PromptLookup.Propose(tokens, proposal);
            var text = (int[])[.. tokens, .. proposal[..count]];
            var possible = Enumerable.Range(PromptLookup.LeastMatch, Math.Max(0, tokens.Length - PromptLookup.LeastMatch))
                .Where(at => tokens.AsSpan(at - PromptLookup.LeastMatch, PromptLookup.LeastMatch).SequenceEqual(tokens.AsSpan(tokens.Length - PromptLookup.LeastMatch))).ToList();

            Assert.Equal(possible.Count > 0 ? proposal.Length : 0, count);
            Assert.True(count == 0 || possible.Any(at => Enumerable.Range(0, count).All(i => text[at + i] == proposal[i])));
        }
    }

    /// <summary>Greedy and seeded draws, base and adapters, with texts that repeat themselves: the same tokens in fewer steps.</summary>
    [Fact]
    public void Always_RepeatingTexts_TheSameTokensInFewerSteps()
    {
        using var plain = fixture.Paused(new EngineOptions { Speculation = Speculate.Never, SharePrefixes = false });
        using var verifying = fixture.Paused(new EngineOptions { Speculation = Speculate.Always });
        string?[] adapters = [null, "a0", "a1", "a2"];
        // Few likely tokens make texts that repeat themselves.
        TokenBias[] few = [new(20, 60), new(21, 60), new(22, 60)];
        SamplingSettings[] settings = [SamplingSettings.Greedy, new(0.4f, 0.9f, 0, 7), new(0.8f, 1, 5, 8) { RepetitionPenalty = 1.05f, FrequencyPenalty = 0.1f }];
        foreach (var sampling in settings.Select(setting => setting with { LogitBias = few }))
        {
            foreach (var adapter in adapters)
            {
                var request = EngineFixture.Request(11, 12, 120, adapter) with { Sampling = sampling };
                request = request with { Prompt = [.. request.Prompt, .. request.Prompt, .. request.Prompt] };
                var (expected, given) = (EngineFixture.Submit(plain, request), EngineFixture.Submit(verifying, request));
                RunToEnd(plain);
                RunToEnd(verifying);

                Assert.Equal(EngineFixture.Drain(expected).Select(item => (item.Token, item.Finish, item.SampledTokens)), EngineFixture.Drain(given).Select(item => (item.Token, item.Finish, item.SampledTokens)));
            }
        }

        Assert.Equal(plain.Statistics.SampledTokens, verifying.Statistics.SampledTokens);
        Assert.Equal(0, plain.Statistics.ProposedTokens);
        Assert.True(verifying.Statistics.AcceptedTokens > 100, $"{verifying.Statistics.AcceptedTokens} of {verifying.Statistics.ProposedTokens} proposed tokens were accepted.");
        Assert.True(verifying.Statistics.Steps < plain.Statistics.Steps);
        EngineFuzz.AssertIdle(verifying);
    }

    [Fact]
    public void EndTokenAmongProposals_EndsTheReplyThere()
    {
        using var plain = fixture.Paused(new EngineOptions { Speculation = Speculate.Never });
        using var verifying = fixture.Paused(new EngineOptions { Speculation = Speculate.Always });
        var request = EngineFixture.Request(11, 12, 120, null);
        var stream = EngineFixture.Submit(plain, request);
        RunToEnd(plain);
        var reply = EngineFixture.Drain(stream).SkipLast(1).Select(item => item.Token).ToArray();
        foreach (var end in reply.Distinct())
        {
            var replies = new[] { plain, verifying }.Select(engine =>
            {
                Assert.Equal(SubmitOutcome.Accepted, engine.Submit(new GenerationRequest { Prompt = request.Prompt, MaximumTokens = 120, EndTokens = [end] }, out var ended));
                RunToEnd(engine);
                return EngineFixture.Drain(ended!).Select(item => (item.Token, item.Finish, item.SampledTokens)).ToList();
            }).ToList();

            Assert.Equal(replies[0], replies[1]);
            Assert.Equal(reply.TakeWhile(token => token != end), replies[0].SkipLast(1).Select(item => item.Token));
        }
    }

    /// <summary>Simulated texts: where proposals are wrong, hardly a row is spent; where they are right, most steps verify several.</summary>
    [Theory]
    [InlineData(0.0, 0, 0.04)]
    [InlineData(0.95, 3, 8)]
    public void DraftController_QualityOfProposals_DecidesHowManyRowsAreSpent(double chance, double least, double most)
    {
        var cost = new StepCost(32);
        for (var rows = 1; rows <= 32; rows++)
        {
            cost.Observe(rows, 0, 0.005 * (1 + (0.08 * (rows - 1))));
        }

        var controller = new DraftController();
        var random = new Random(2);
        const int steps = 4000;
        var spent = 0;
        for (var step = 0; step < steps; step++)
        {
            var proposed = controller.Length(1, cost, 8);
            if (proposed > 0)
            {
                spent += proposed;
                controller.Observe(proposed, Enumerable.Range(0, proposed).TakeWhile(_ => random.NextDouble() < chance).Count());
            }
        }

        Assert.InRange(spent / (double)steps, least, most);
    }

    private static void RunToEnd(InferenceEngine engine)
    {
        for (var step = 0; engine.Step(); step++)
        {
            Assert.True(step < 10_000, "the engine does not come to an end.");
        }
    }
}
