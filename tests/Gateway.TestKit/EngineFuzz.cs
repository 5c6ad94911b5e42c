using Gateway.Engine;
using Gateway.Engine.Adapters;
using Gateway.Engine.Grammars;
using Gateway.Engine.Sampling;
using Gateway.Model.Lora;
using Gateway.Model.Network;
using Gateway.Model.Numerics;
using Gateway.Model.Text;
using Gateway.Model.Weights;
using Xunit;

namespace Gateway.TestKit;

/// <summary>
/// Random requests on a tiny model: lengths, adapters, sampling, cancellations, token budgets, cache sizes, shared prefixes,
/// salts, speculation, grammars, log-probabilities, weight formats and thread counts.
/// Every sequence must get the tokens and log-probabilities of its lone run, bit for bit, and all blocks and leases must come back.
/// </summary>
public static class EngineFuzz
{
    private const int AdapterCount = 3;
    private const int RequestsPerRound = 24;

    private static readonly Grammar[] Grammars =
    [
        Grammar.JsonObject(),
        Grammar.FromChoice(["yes", "no", "perhaps"]),
        Grammar.FromRegex("(ab|ba){3,9}c"),
        Grammar.FromSchema("""
            {"type":"object","properties":{"category":{"enum":["billing","technical"]},"urgent":{"type":"boolean"},"note":{"type":"string","maxLength":12}},
             "required":["category","urgent","note"],"additionalProperties":false}
            """),

        // Free text with openings that the likely tokens make (20 and 21 are '3' and '4'): one a token, one a text across two.
        Free(new GrammarPart.Token(21), new GrammarPart.Pattern("[ab]{2,5}c")),
        Free(new GrammarPart.Literal("34"), new GrammarPart.Schema("""{"type":"object","properties":{"a":{"type":"integer","maximum":99}},"required":["a"],"additionalProperties":false}""", "")),
        Free(new GrammarPart.Literal("3"), new GrammarPart.Pattern("[345]{3} and so on")),
    ];

    private static readonly EngineOptions Lone = new() { MaximumRunning = 1, TokenBudget = 300, CacheBlocks = 16, SharePrefixes = false, Speculation = Speculate.Never };

    private static Grammar Free(GrammarPart mark, GrammarPart part) => Grammar.FromParts(new GrammarPart.Openings([new Opening(mark, part)], Lead: null, IsText: true));

    /// <summary>Runs rounds with fresh engines until <paramref name="steps"/> engine steps were made; returns the number of requests checked.</summary>
    public static async Task<int> RunAsync(int steps, int seed, CancellationToken cancellation)
    {
        using var tiny = new TinyModel();
        var random = new Random(seed);
        var vocabulary = new TokenVocabulary(Tokenizer.Load(tiny.Path), tiny.Config.VocabularySize);
        var (done, checkedRequests) = (0L, 0);
        for (var round = 0; done < steps; round++)
        {
            var options = new EngineOptions
            {
                MaximumRunning = random.Next(1, 9),
                TokenBudget = random.Next(9, 48),
                // Sometimes too small for everybody, so that sequences are preempted.
                CacheBlocks = random.Next(12, 40),
                SharePrefixes = random.Next(4) > 0,
                Speculation = (Speculate)random.Next(3),
            };
            using var compute = new Compute(random.Next(1, 4));
            using var model = Transformer.Load(tiny.Path, compute, (WeightFormat)random.Next(4));
            using var adapters = new AdapterSlots(tiny.Config, null, new AdapterLimits(), 8, TimeProvider.System);
            for (var i = 0; i < AdapterCount; i++)
            {
                Assert.Equal(AdapterLoadOutcome.Loaded, adapters.Load($"a{i}", tiny.WriteAdapter(i, rank: 2 + (3 * i)), replace: false).Outcome);
            }

            // Prompts start with parts of one text, so that prefixes are shared, and repeat themselves, so that proposals are made.
            var text = Enumerable.Range(0, 90).Select(_ => random.Next(8, tiny.Config.VocabularySize)).ToArray();
            var requests = Enumerable.Range(0, RequestsPerRound).Select(_ => RandomRequest(random, vocabulary, text)).ToList();
            List<FuzzReply> replies;
            using (var engine = new InferenceEngine(model, adapters, options))
            {
                replies = [.. await Task.WhenAll(requests.Select(request => WholeReplyAsync(engine, request, request.CancelAfter, cancellation)))];
                AssertIdle(engine);
                done += engine.Statistics.Steps;
            }

            using (var lone = new InferenceEngine(model, adapters, Lone))
            {
                for (var i = 0; i < requests.Count; i++)
                {
                    var (expected, expectedScores) = await WholeReplyAsync(lone, requests[i], null, cancellation);
                    var (given, scores) = replies[i];
                    Assert.True(requests[i].CancelAfter is not null || given.Length == expected.Length, $"seed {seed}, round {round}, request {i}: {given.Length} tokens instead of {expected.Length}.");
                    Assert.Equal(expected.Take(given.Length), given);
                    Assert.Equal(expectedScores.Take(scores.Length), scores);
                    checkedRequests++;
                }

                AssertIdle(lone);
            }
        }

        return checkedRequests;
    }

    /// <summary>Nobody holds a block or a lease.</summary>
    public static void AssertIdle(InferenceEngine engine)
    {
        var statistics = engine.Statistics;
        Assert.Equal((0, 0, statistics.TotalBlocks), (statistics.Running, statistics.Waiting, statistics.FreeBlocks));
        Assert.All(engine.Adapters.List().Generations, generation => Assert.Equal(0, generation.ActiveLeases));
    }

    /// <summary>The tokens of one reply; fails the test when the engine refuses or fails.</summary>
    public static async Task<int[]> ReplyAsync(InferenceEngine engine, FuzzRequest request, int? cancelAfter, CancellationToken cancellation) =>
        (await WholeReplyAsync(engine, request, cancelAfter, cancellation)).Tokens;

    /// <summary>The same with log-probabilities where they were asked for: per token its own, then the alternatives.</summary>
    public static async Task<FuzzReply> WholeReplyAsync(InferenceEngine engine, FuzzRequest request, int? cancelAfter, CancellationToken cancellation)
    {
        var lease = request.Adapter is { } name ? engine.Adapters.Acquire(name) : null;
        Assert.Equal(request.Adapter is null, lease is null);
        var outcome = engine.Submit(
            new GenerationRequest { Prompt = request.Prompt, MaximumTokens = request.MaximumTokens, Sampling = request.Sampling, EndTokens = [7], Adapter = lease, Grammar = request.Matcher([7]), CacheSalt = request.Salt, FairnessKey = request.Salt, Logprobs = request.Logprobs, ScoresPrompt = request.ScoresPrompt },
            out var stream);
        Assert.Equal(SubmitOutcome.Accepted, outcome);
        var tokens = new List<int>();
        FinishReason? finish = null;
        await foreach (var item in stream!.ReadAllAsync(cancellation))
        {
            Assert.Null(finish);
            Assert.Null(item.Error);
            finish = item.Finish;
            if (finish is null)
            {
                tokens.Add(item.Token);
            }

            if (tokens.Count == cancelAfter)
            {
                stream.Cancel();
            }
        }

        Assert.NotNull(finish);
        return new FuzzReply([.. tokens], stream.Scores is not { } scores ? [] :
        [
            .. Enumerable.Range(request.ScoresPrompt ? 1 : request.Prompt.Length, tokens.Count + (request.ScoresPrompt && tokens.Count > 0 ? request.Prompt.Length - 1 : 0))
                .Select(position => (scores.Chosen(position), string.Join(' ', scores.LargestAt(position).ToArray()))),
        ]);
    }

    private static FuzzRequest RandomRequest(Random random, TokenVocabulary vocabulary, int[] text)
    {
        int[] prompt = [.. text[..random.Next(60)], .. Enumerable.Range(0, random.Next(1, 12)).Select(_ => random.Next(8, vocabulary.Size))];
        prompt = random.Next(3) == 0 ? [.. prompt, .. prompt.TakeLast(15)] : prompt;
        var adapter = random.Next(AdapterCount + 1);
        var sampling = random.Next(3) == 0
            ? SamplingSettings.Greedy
            : new SamplingSettings(0.3f + random.NextSingle(), random.Next(2) == 0 ? 1 : 0.9f, random.Next(2) * 20, random.NextInt64())
            {
                MinP = random.Next(2) * 0.05f,
                FrequencyPenalty = random.Next(2) * 0.2f,
                RepetitionPenalty = 1 + (random.Next(2) * 0.1f),
            };
        if (random.Next(2) == 0)
        {
            // Few likely tokens: the reply repeats itself and proposals are often right.
            sampling = sampling with { LogitBias = [new TokenBias(20, 60), new TokenBias(21, 60), new TokenBias(22, 60)] };
        }

        return new FuzzRequest(prompt, random.Next(1, 60), sampling, adapter == AdapterCount ? null : $"a{adapter}", random.Next(4) == 0 ? random.Next(1, 20) : null)
        {
            Salt = random.Next(4) == 0 ? $"salt {random.Next(2)}" : null,
            Grammar = random.Next(3) == 0 ? Grammars[random.Next(Grammars.Length)] : null,
            Vocabulary = vocabulary,
            Logprobs = random.Next(3) == 0 ? random.Next(4) : null,
            ScoresPrompt = random.Next(2) == 0,
        };
    }
}

/// <summary>The reply to a request of a fuzz round.</summary>
public sealed record FuzzReply(int[] Tokens, (float Chosen, string Largest)[] Scores);

/// <summary>One request of a fuzz round.</summary>
public sealed record FuzzRequest(int[] Prompt, int MaximumTokens, SamplingSettings Sampling, string? Adapter, int? CancelAfter)
{
    /// <summary>With whom it may share cached prompts.</summary>
    public string? Salt { get; init; }

    /// <summary>What the reply must look like.</summary>
    public Grammar? Grammar { get; init; }

    /// <summary>Alternatives per token whose log-probabilities are wanted, or null.</summary>
    public int? Logprobs { get; init; }

    /// <summary>Whether the prompt's are wanted, too.</summary>
    public bool ScoresPrompt { get; init; }

    /// <summary>The model's tokens; needed with a grammar.</summary>
    public TokenVocabulary? Vocabulary { get; init; }

    /// <summary>A matcher for one run of the request.</summary>
    public GrammarMatcher? Matcher(IReadOnlyList<int> endTokens) => Grammar is null ? null : new GrammarMatcher(Grammar, Vocabulary!, endTokens, MaximumTokens);
}
