using Gateway.Engine;
using Gateway.Engine.Grammars;
using Gateway.Engine.Sampling;
using Gateway.Model.Network;
using Gateway.Model.Text;
using Gateway.TestKit;
using Xunit;

namespace Gateway.UnitTests.Engine;

/// <summary>Log-probabilities inside the engine: of drawn, forced and prompt tokens.</summary>
public sealed class LogprobTests(EngineFixture fixture) : IClassFixture<EngineFixture>
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(0f, null)]
    [InlineData(1.3f, "a1")]
    public async Task Scores_OfPromptAndReply_AreTheLogSoftmaxOfTheRawLogits(float temperature, string? adapter)
    {
        using var engine = fixture.Start();
        var request = EngineFixture.Request(3, 40, 20, adapter) with
        {
            Sampling = new SamplingSettings(temperature, 1, 0, 5) { FrequencyPenalty = 1, RepetitionPenalty = 1.2f, LogitBias = [new TokenBias(9, 50)] },
            Logprobs = 5,
            ScoresPrompt = true,
        };

        var (tokens, scores) = await EngineFuzz.WholeReplyAsync(engine, request, null, Cancellation);

        int[] all = [.. request.Prompt, .. tokens];
        var logits = Forward(all, adapter);
        Assert.Equal(all.Length - 1, scores.Length);
        for (var position = 1; position < all.Length; position++)
        {
            var row = logits.AsSpan((position - 1) * fixture.Model.Config.VocabularySize, fixture.Model.Config.VocabularySize).ToArray();
            var maximum = row.Max();
            var normalizer = maximum + Math.Log(row.Sum(value => Math.Exp(value - maximum)));
            Assert.Equal(row[all[position]] - normalizer, scores[position - 1].Chosen, 1e-4);
            var best = Enumerable.Range(0, row.Length).OrderByDescending(token => row[token]).ThenBy(token => token).Take(5);
            Assert.Equal(best, Largest(scores[position - 1].Largest).Select(entry => entry.Token));
        }
    }

    /// <summary>Forced tokens are not drawn, but they have probabilities all the same; asking for them changes no reply.</summary>
    [Fact]
    public async Task Scores_OfTokensThatAGrammarForces_EqualThoseOfThePrompt()
    {
        using var engine = fixture.Start();
        var vocabulary = new TokenVocabulary(Tokenizer.Load(fixture.Model.Path), fixture.Model.Config.VocabularySize);
        var plain = EngineFixture.Request(1, 20, 120, null) with
        {
            Grammar = Grammar.FromRegex("[ab] the quick brown fox jumps over the lazy dog (and|or) back again"),
            Vocabulary = vocabulary,
        };

        var reply = await EngineFuzz.ReplyAsync(engine, plain, null, Cancellation);
        var (tokens, scores) = await EngineFuzz.WholeReplyAsync(engine, plain with { Logprobs = 2 }, null, Cancellation);
        var (_, rescored) = await EngineFuzz.WholeReplyAsync(
            engine, new FuzzRequest([.. plain.Prompt, .. tokens], 1, SamplingSettings.Greedy, null, null) { Logprobs = 2, ScoresPrompt = true }, null, Cancellation);

        Assert.Equal(reply, tokens);
        Assert.Equal(tokens.Length, scores.Length);
        Assert.Equal(rescored.Skip(plain.Prompt.Length - 1).Take(tokens.Length), scores);
    }

    /// <summary>Recording log-probabilities allocates nothing while tokens are computed; all memory is there at submission.</summary>
    [Fact]
    public void Step_WithLogprobs_AllocatesNothing()
    {
        using var engine = fixture.Paused(new EngineOptions { Speculation = Speculate.Never });
        Assert.Equal(SubmitOutcome.Accepted, engine.Submit(new GenerationRequest { Prompt = new[] { 20, 30 }, MaximumTokens = 60, Logprobs = 20 }, out _));
        for (var i = 0; i < 10; i++)
        {
            engine.Step();
        }

        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var i = 0; i < 40; i++)
        {
            engine.Step();
        }

        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
        RunToEnd(engine);
    }

    [Fact]
    public void MinimumTokens_LikelyEndToken_ComesNotBefore()
    {
        using var engine = fixture.Paused();
        Assert.Equal(SubmitOutcome.Accepted, engine.Submit(
            new GenerationRequest
            {
                Prompt = new[] { 20, 30 },
                MaximumTokens = 40,
                MinimumTokens = 6,
                Sampling = SamplingSettings.Greedy with { LogitBias = [new TokenBias(0, 100)], RepetitionPenalty = 1.5f },
                EndTokens = [0],
            },
            out var stream));
        RunToEnd(engine);

        var events = EngineFixture.Drain(stream!);
        Assert.Equal((FinishReason.Stop, 7, 0), (events[^1].Finish, events[^1].SampledTokens, events[^1].EndToken));
    }

    private static List<TokenLogprob> Largest(string text) =>
        [.. System.Text.RegularExpressions.Regex.Matches(text, "Token = (\\d+), Logprob = (-?[0-9.E+-]+)")
            .Select(match => new TokenLogprob(int.Parse(match.Groups[1].Value, System.Globalization.CultureInfo.InvariantCulture), 0))];

    private float[] Forward(int[] tokens, string? adapter)
    {
        var blocks = Enumerable.Range(0, (tokens.Length / KvCache.BlockTokens) + 1).ToArray();
        using var cache = fixture.Transformer.CreateCache(blocks.Length);
        using var lease = adapter is null ? null : fixture.Adapters.Acquire(adapter);
        var logits = new float[tokens.Length * fixture.Model.Config.VocabularySize];
        fixture.Transformer.Forward([new SequenceSlice(tokens, 0, blocks, lease?.Weights, LogitRows.All)], cache, logits);
        return logits;
    }

    private static void RunToEnd(InferenceEngine engine)
    {
        while (engine.Step())
        {
        }
    }
}
