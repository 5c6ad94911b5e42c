using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Gateway.Engine.Grammars;
using Xunit;

namespace Gateway.UnitTests.Engine.Grammars;

/// <summary>Random schemas against random walks; the seed in a failure names the case.</summary>
public sealed class GrammarPropertyTests
{
    private const int Schemas = 400;

    [Fact]
    public void Every_completed_reply_parses_and_validates()
    {
        var completed = 0;
        for (var seed = 0; seed < Schemas; seed++)
        {
            if (Compile(seed) is not { } compiled)
            {
                continue;
            }

            var schema = GrammarTests.Schema(compiled.Schema.ToJsonString());
            for (var walk = 0; walk < 6; walk++)
            {
                var matcher = new GrammarMatcher(compiled.Grammar, Vocabularies.ByteLevel, [Vocabularies.End]);
                if (Walk(matcher, new Random(walk + (seed * 31)), limit: 150) is { } reply)
                {
                    completed++;
                    var problems = schema.ValidateText(reply);
                    Assert.True(problems.Count == 0, $"seed {seed}: {compiled.Schema.ToJsonString()} gave {reply}: {string.Join("; ", problems)}");
                }
            }
        }

        Assert.InRange(completed, Schemas * 3, Schemas * 6);
    }

    [Fact]
    public void Every_valid_compact_document_is_accepted()
    {
        var accepted = 0;
        for (var seed = 0; seed < Schemas; seed++)
        {
            if (Compile(seed) is not { } compiled || compiled.Schema.ToJsonString().Contains("allOf", StringComparison.Ordinal))
            {
                // The order of merged members is the grammar's, not the document's.
                continue;
            }

            var schema = GrammarTests.Schema(compiled.Schema.ToJsonString());
            var random = new RandomSchema(seed + 7919);
            for (var i = 0; i < 10; i++)
            {
                var value = JsonSerializer.SerializeToElement(random.DocumentFor(compiled.Schema));
                var text = Encoding.UTF8.GetString(JsonSpelling.Bytes(value));
                if (schema.ValidateText(text).Count == 0 && !MissesFormat(compiled.Schema))
                {
                    accepted++;
                    Assert.True(GrammarTests.Accepts(compiled.Grammar, text), $"seed {seed}: {compiled.Schema.ToJsonString()} refused {text}");
                }
            }
        }

        Assert.True(accepted > Schemas, $"only {accepted} documents were valid");
    }

    [Fact]
    public void Masks_equal_trying_every_token()
    {
        var vocabulary = Vocabularies.ByteLevel;
        for (var seed = 0; seed < 80; seed++)
        {
            if (Compile(seed) is not { } compiled)
            {
                continue;
            }

            var (matcher, random) = (new GrammarMatcher(compiled.Grammar, vocabulary, [Vocabularies.End]), new Random(seed));
            for (var step = 0; step < 25; step++)
            {
                var allowed = Allowed(matcher);
                for (var token = 0; token < vocabulary.Size; token++)
                {
                    var accepts = matcher.TryAccept(token);
                    if (accepts)
                    {
                        matcher.Rollback(1);
                    }

                    Assert.True(accepts == allowed.Contains(token),
                        $"seed {seed} step {step} token {token} '{vocabulary.Tokenizer.IdToToken(token)}': {compiled.Schema.ToJsonString()}");
                }

                if (allowed.Count == 0 || !matcher.TryAccept(Pick(matcher, allowed, random)))
                {
                    break;
                }
            }
        }
    }

    [Fact]
    public void Taking_back_equals_never_having_taken()
    {
        for (var seed = 0; seed < 100; seed++)
        {
            if (Compile(seed) is not { } compiled)
            {
                continue;
            }

            var random = new Random(seed);
            var matcher = new GrammarMatcher(compiled.Grammar, Vocabularies.ByteLevel, [Vocabularies.End], capacity: 4);
            var taken = new List<int>();
            for (var step = 0; step < 40; step++)
            {
                var allowed = Allowed(matcher);
                if (allowed.Count > 0)
                {
                    taken.Add(Pick(matcher, allowed, random));
                    Assert.True(matcher.TryAccept(taken[^1]));
                }

                if (random.Next(4) == 0)
                {
                    var back = random.Next(taken.Count + 1);
                    matcher.Rollback(back);
                    taken.RemoveRange(taken.Count - back, back);
                }

                var replay = new GrammarMatcher(compiled.Grammar, Vocabularies.ByteLevel, [Vocabularies.End]);
                Assert.True(taken.TrueForAll(replay.TryAccept));
                Assert.Equal(replay.AllowedTokens(), matcher.AllowedTokens());
                Assert.Equal((replay.CanEnd, replay.IsComplete, replay.Count), (matcher.CanEnd, matcher.IsComplete, matcher.Count));
            }
        }
    }

    [Fact]
    public void Forced_text_begins_every_reply_that_goes_on()
    {
        var forcedTokens = 0;
        for (var seed = 0; seed < Schemas; seed++)
        {
            if (Compile(seed) is not { } compiled)
            {
                continue;
            }

            var random = new Random(seed);
            var matcher = new GrammarMatcher(compiled.Grammar, Vocabularies.ByteLevel, [Vocabularies.End]);
            var forced = new int[32];
            for (var step = 0; step < 30 && !matcher.IsComplete; step++)
            {
                var count = matcher.ForcedTokens(forced);
                forcedTokens += count;
                var text = Vocabularies.Join(Vocabularies.ByteLevel, forced.Take(count));
                for (var other = 0; other < 3; other++)
                {
                    var start = matcher.Count;
                    var reply = new List<byte>();
                    while (reply.Count < text.Length)
                    {
                        var token = Pick(matcher, Allowed(matcher), random);
                        Assert.NotEqual(Vocabularies.End, token);
                        Assert.True(matcher.TryAccept(token));
                        reply.AddRange(Vocabularies.ByteLevel.Bytes(token, false));
                    }

                    Assert.Equal(text, reply.Take(text.Length));
                    matcher.Rollback(matcher.Count - start);
                }

                Assert.True(forced.Take(count).All(matcher.TryAccept));
                var allowed = Allowed(matcher);
                if (allowed.Count == 0 || !matcher.TryAccept(Pick(matcher, allowed, random)))
                {
                    break;
                }
            }
        }

        Assert.True(forcedTokens > Schemas, $"only {forcedTokens} tokens were forced");
    }

    private static (JsonObject Schema, Grammar Grammar)? Compile(int seed)
    {
        var schema = new RandomSchema(seed).Document();
        try
        {
            return (schema, Grammar.FromSchema(schema.ToJsonString()));
        }
        catch (GrammarException)
        {
            // Contradictions and overlaps; the counts of the callers show that they are few.
            return null;
        }
    }

    /// <summary>Formats are annotations for the validator.</summary>
    private static bool MissesFormat(JsonObject schema) => schema.ToJsonString().Contains("\"format\"", StringComparison.Ordinal);

    private static string? Walk(GrammarMatcher matcher, Random random, int limit)
    {
        var tokens = new List<int>();
        while (tokens.Count < limit)
        {
            var allowed = Allowed(matcher);
            Assert.NotEmpty(allowed);
            var token = Pick(matcher, allowed, random);
            Assert.True(matcher.TryAccept(token));
            if (token == Vocabularies.End)
            {
                // Strict: a reply that is not UTF-8 fails here.
                return new UTF8Encoding(false, true).GetString(Vocabularies.Join(Vocabularies.ByteLevel, tokens));
            }

            tokens.Add(token);
        }

        return null;
    }

    /// <summary>Uniform over the allowed tokens, biased to the end and to closing characters so that walks come to one.</summary>
    private static int Pick(GrammarMatcher matcher, List<int> allowed, Random random)
    {
        if (matcher.CanEnd && random.Next(3) == 0)
        {
            return Vocabularies.End;
        }

        if (random.Next(2) == 0)
        {
            var closing = allowed.Where(token => token is '"' or '}' or ']').ToArray();
            if (closing.Length > 0)
            {
                return closing[random.Next(closing.Length)];
            }
        }

        return allowed[random.Next(allowed.Count)];
    }

    private static List<int> Allowed(GrammarMatcher matcher)
    {
        var mask = matcher.AllowedTokens();
        var allowed = new List<int>();
        for (var token = 0; token < Vocabularies.ByteLevel.Size; token++)
        {
            if ((mask[token >> 6] >> (token & 63) & 1) != 0)
            {
                allowed.Add(token);
            }
        }

        return allowed;
    }
}
