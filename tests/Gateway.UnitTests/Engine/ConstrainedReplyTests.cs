using System.Text;
using System.Text.Json;
using Gateway.Engine;
using Gateway.Engine.Grammars;
using Gateway.Engine.Sampling;
using Gateway.Model.Text;
using Gateway.TestKit;
using Xunit;

namespace Gateway.UnitTests.Engine;

/// <summary>Grammars inside the engine: masks before the draw, forced tokens without a draw, ends.</summary>
public sealed class ConstrainedReplyTests(EngineFixture fixture) : IClassFixture<EngineFixture>
{
    private static readonly Grammar s_ticket = Grammar.FromSchema("""
        {"type":"object","properties":{"category":{"enum":["billing","technical"]},"urgent":{"type":"boolean"},"score":{"type":"integer","minimum":0,"maximum":999}},
         "required":["category","urgent","score"],"additionalProperties":false}
        """);

    private readonly TokenVocabulary _vocabulary = new(Tokenizer.Load(fixture.Model.Path), fixture.Model.Config.VocabularySize);

    [Theory]
    [InlineData(0f, null, Speculate.Never)]
    [InlineData(1f, null, Speculate.WhenItPays)]
    [InlineData(1f, "a1", Speculate.Always)]
    public void Submit_SchemaAndRoom_EveryReplyIsCompleteAndForcedTokensTakeNoStep(float temperature, string? adapter, Speculate speculation)
    {
        using var engine = fixture.Paused(new EngineOptions { Speculation = speculation });
        for (var seed = 0; seed < 20; seed++)
        {
            var steps = engine.Statistics.Steps;
            var request = Request(s_ticket, 100, adapter) with { Sampling = new SamplingSettings(temperature, 1, 0, seed) };
            var events = Run(engine, request);

            using var reply = JsonDocument.Parse(Text(events));
            Assert.Contains(reply.RootElement.GetProperty("category").GetString(), (string[])["billing", "technical"]);
            Assert.InRange(reply.RootElement.GetProperty("score").GetInt32(), 0, 999);
            Assert.Equal(FinishReason.Stop, events[^1].Finish);
            Assert.Equal(events.Count - 1, events[^1].SampledTokens);
            // Of more than 40 tokens only the choices are drawn: the prompt, a letter or two, the number.
            Assert.InRange(events.Count, 40, 100);
            Assert.InRange(engine.Statistics.Steps - steps, 3, 16);
        }

        EngineFuzz.AssertIdle(engine);
    }

    [Fact]
    public void Submit_SingleReplyAllowed_NeedsNoStep()
    {
        using var engine = fixture.Paused();
        var events = Run(engine, Request(Grammar.FromChoice(["the only one"]), 50, "a0"));

        Assert.Equal("the only one", Text(events));
        Assert.Equal(FinishReason.Stop, events[^1].Finish);
        Assert.Equal(0, engine.Statistics.Steps);
        EngineFuzz.AssertIdle(engine);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(7)]
    [InlineData(20)]
    public void Submit_ReplyCutByItsLimit_SaysLengthAndIsThePrefix(int limit)
    {
        using var engine = fixture.Paused();
        var whole = Text(Run(engine, Request(s_ticket, 100, null)));
        var cut = Run(engine, Request(s_ticket, limit, null));

        Assert.Equal((FinishReason.Length, limit), (cut[^1].Finish, cut[^1].SampledTokens));
        Assert.StartsWith(Text(cut), whole, StringComparison.Ordinal);
    }

    /// <summary>An end token is drawn only where the grammar allows the end.</summary>
    [Fact]
    public void Submit_LikelyEndToken_WaitsForTheEndOfTheGrammar()
    {
        using var engine = fixture.Paused();
        var grammar = Grammar.FromRegex("[a-z]{3,9}");
        var request = Request(grammar, 50, null) with { Sampling = SamplingSettings.Greedy with { LogitBias = [new TokenBias(0, 100)] } };
        Assert.Equal(SubmitOutcome.Accepted, engine.Submit(
            new GenerationRequest
            {
                Prompt = request.Prompt,
                MaximumTokens = 50,
                Sampling = request.Sampling,
                EndTokens = [0],
                Grammar = new GrammarMatcher(grammar, _vocabulary, [0], 50),
            },
            out var stream));
        while (engine.Step())
        {
        }

        var events = EngineFixture.Drain(stream!);
        Assert.Equal(FinishReason.Stop, events[^1].Finish);
        Assert.Equal(events.Count, events[^1].SampledTokens);
        Assert.Matches("^[a-z]{3,5}$", Text(events));
    }

    /// <summary>More forced text than a step gives to one reply, in a cache so small that sequences are preempted midway.</summary>
    [Fact]
    public void LongForcedText_TightCache_TheSameReplies()
    {
        var grammar = Grammar.FromRegex("[ab]( the quick brown fox jumps over the lazy dog and runs away from it){2}[cd]{5}");
        using var roomy = fixture.Paused(new EngineOptions { SharePrefixes = false, Speculation = Speculate.Never });
        using var tight = fixture.Paused(new EngineOptions { CacheBlocks = 14, TokenBudget = 12, MaximumRunning = 4, Speculation = Speculate.Always });
        var requests = Enumerable.Range(0, 5).Select(seed => Request(grammar, 180, null) with { Sampling = new SamplingSettings(1, 1, 0, seed) }).ToList();

        var expected = requests.Select(request => Text(Run(roomy, request))).ToList();
        var streams = requests.Select(request => EngineFixture.Submit(tight, request)).ToList();
        while (tight.Step())
        {
        }

        Assert.Equal(expected, streams.Select(stream => Text(EngineFixture.Drain(stream))));
        Assert.All(expected, text => Assert.Matches("^[ab]( the quick brown fox jumps over the lazy dog and runs away from it){2}[cd]{5}$", text));
        Assert.True(tight.Statistics.Preemptions > 0);
        EngineFuzz.AssertIdle(tight);
    }

    [Fact]
    public void Step_InsideAString_AllocatesNothingOnTheComputeThread()
    {
        using var engine = fixture.Paused();
        var request = Request(Grammar.FromSchema("""{"type":"string"}"""), 220, null) with { Sampling = SamplingSettings.Greedy with { LogitBias = [new TokenBias(100, 50)] } };
        Run(engine, request);
        var stream = EngineFixture.Submit(engine, request);
        for (var step = 0; step < 20; step++)
        {
            engine.Step();
        }

        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var step = 0; step < 100; step++)
        {
            engine.Step();
        }

        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
        stream.Cancel();
        engine.Step();
    }

    /// <summary>Free text is the reply that the model gives without a grammar, in as many steps.</summary>
    [Theory]
    [InlineData(0f, Speculate.Never)]
    [InlineData(1f, Speculate.Always)]
    public void Submit_TextThatOpensNothing_IsTheFreeReply(float temperature, Speculate speculation)
    {
        using var engine = fixture.Paused(new EngineOptions { Speculation = speculation, SharePrefixes = false });
        var request = Request(Opened("<tool_call>", "[ab]{3}"), 60, "a1") with { Sampling = new SamplingSettings(temperature, 1, 0, 7) };
        var steps = engine.Statistics.Steps;
        var free = Run(engine, request with { Grammar = null });
        var freeSteps = engine.Statistics.Steps - steps;
        var constrained = Run(engine, request);

        Assert.Equal(free, constrained);
        Assert.Equal(freeSteps, engine.Statistics.Steps - steps - freeSteps);
        Assert.Equal(FinishReason.Length, constrained[^1].Finish);
    }

    /// <summary>The model wants one letter forever: its text opens a part again and again, and only there it must say something else.</summary>
    [Theory]
    [InlineData(11, "xxyes naaxx")]
    [InlineData(1, "x")]
    [InlineData(5, "xxyes")]
    public void Submit_TextThatOpens_GoesOnAsThePartAndThenFreely(int limit, string expected)
    {
        using var engine = fixture.Paused();
        var request = Request(Opened("xx", "yes (yes|naa)"), limit, null) with { Sampling = SamplingSettings.Greedy with { LogitBias = [new TokenBias(_vocabulary.Tokenizer.TokenToId("x")!.Value, 100), new TokenBias(_vocabulary.Tokenizer.TokenToId("n")!.Value, 50)] } };
        var events = Run(engine, request);

        Assert.Equal(expected, Text(events));
        Assert.Equal((FinishReason.Length, limit), (events[^1].Finish, events[^1].SampledTokens));
    }

    [Fact]
    public void Submit_EndTokenInFreeText_EndsItUnlessMoreIsWanted()
    {
        using var engine = fixture.Paused();
        foreach (var minimum in new[] { 0, 4 })
        {
            var grammar = Opened("<tool_call>", "a");
            Assert.Equal(SubmitOutcome.Accepted, engine.Submit(
                new GenerationRequest
                {
                    Prompt = EngineFixture.Request(1, 24, 1, null).Prompt,
                    MaximumTokens = 50,
                    MinimumTokens = minimum,
                    Sampling = SamplingSettings.Greedy with { LogitBias = [new TokenBias(0, 100)] },
                    EndTokens = [0],
                    Grammar = new GrammarMatcher(grammar, _vocabulary, [0], 50),
                },
                out var stream));
            while (engine.Step())
            {
            }

            var events = EngineFixture.Drain(stream!);
            Assert.Equal((FinishReason.Stop, minimum + 1, minimum + 1), (events[^1].Finish, events[^1].SampledTokens, events.Count));
        }
    }

    [Fact]
    public void Step_InFreeText_AllocatesNothingOnTheComputeThread()
    {
        using var engine = fixture.Paused();
        var request = Request(Opened("<tool_call>", "[ab]{3}"), 220, null) with { Sampling = new SamplingSettings(1, 1, 0, 3) };
        Run(engine, request);
        var stream = EngineFixture.Submit(engine, request);
        for (var step = 0; step < 20; step++)
        {
            engine.Step();
        }

        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var step = 0; step < 100; step++)
        {
            engine.Step();
        }

        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
        stream.Cancel();
        engine.Step();
    }

    private static Grammar Opened(string opening, string pattern) => Grammar.FromParts(
        new GrammarPart.Openings([new Opening(new GrammarPart.Literal(opening), new GrammarPart.Pattern(pattern))], Lead: null, IsText: true));

    private FuzzRequest Request(Grammar grammar, int tokens, string? adapter) =>
        EngineFixture.Request(1, 24, tokens, adapter) with { Grammar = grammar, Vocabulary = _vocabulary };

    private static List<GenerationEvent> Run(InferenceEngine engine, FuzzRequest request)
    {
        var stream = EngineFixture.Submit(engine, request);
        while (engine.Step())
        {
        }

        return EngineFixture.Drain(stream);
    }

    private string Text(List<GenerationEvent> events) =>
        Encoding.UTF8.GetString([.. events.SkipLast(1).SelectMany((item, index) => _vocabulary.Bytes(item.Token, index == 0).ToArray())]);
}
