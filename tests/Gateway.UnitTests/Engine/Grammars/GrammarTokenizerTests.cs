using System.Text;
using Gateway.Engine.Grammars;
using Xunit;

namespace Gateway.UnitTests.Engine.Grammars;

/// <summary>Grammars over the vocabularies of real tokenizers.</summary>
public sealed class GrammarTokenizerTests
{
    private const string Schema = """
        {"type":"object","properties":{"customer_name":{"type":"string","maxLength":40},"order_count":{"type":"integer","minimum":1},
        "status":{"enum":["open","closed"]},"remarks":{"type":["string","null"]}},"required":["customer_name","order_count","status","remarks"],
        "additionalProperties":false}
        """;

    private const string Reply = """{"customer_name": "Zoë 中文 😀 O'Neil", "order_count": 12, "status": "closed", "remarks": "said \"no\"\n\u00e9"}""";

    [Theory]
    [InlineData("gpt-2")]
    [InlineData("qwen2")]
    [InlineData("llama-spm")]
    public void A_reply_as_the_tokenizer_splits_it_is_accepted(string name)
    {
        var vocabulary = Vocabularies.Oracle(name);
        var tokenizer = vocabulary.Tokenizer;
        foreach (var text in new[] { Reply, Reply.Replace(": ", ":", StringComparison.Ordinal).Replace(", ", ",", StringComparison.Ordinal) })
        {
            var tokens = tokenizer.Encode(text);
            Assert.Equal(Encoding.UTF8.GetBytes(text), Vocabularies.Join(vocabulary, tokens));
            var matcher = new GrammarMatcher(Grammar.FromSchema(Schema).Prepare(vocabulary), vocabulary, []);
            foreach (var token in tokens)
            {
                Assert.True(GrammarTests.Allows(matcher, token) && matcher.TryAccept(token), $"{name}: {tokenizer.IdToToken(token)}");
            }

            Assert.True(matcher.IsComplete);
        }
    }

    [Theory]
    [InlineData("qwen2")]
    [InlineData("llama-spm")]
    public void Masks_equal_trying_every_token_of_a_real_vocabulary(string name)
    {
        var vocabulary = Vocabularies.Oracle(name);
        var tokenizer = vocabulary.Tokenizer;
        var tokens = tokenizer.Encode(Reply);
        var matcher = new GrammarMatcher(Grammar.FromSchema(Schema), vocabulary, []);
        foreach (var (step, token) in tokens.Index())
        {
            // Every token everywhere would take minutes.
            if (step is 0 or 5 || step == tokens.Length - 3)
            {
                var mask = matcher.AllowedTokens().ToArray();
                for (var other = 0; other < vocabulary.Size; other++)
                {
                    var accepts = matcher.TryAccept(other);
                    matcher.Rollback(accepts ? 1 : 0);
                    Assert.True(accepts == ((mask[other >> 6] >> other & 1) != 0), $"{name} step {step}: {tokenizer.IdToToken(other)}");
                }
            }

            Assert.True(matcher.TryAccept(token));
        }
    }

    [Theory]
    [InlineData("gpt-2", 0)]
    [InlineData("qwen2", 0)]
    [InlineData("llama-spm", 1)]
    public void Forced_tokens_are_those_of_the_tokenizer(string name, int from)
    {
        var vocabulary = Vocabularies.Oracle(name);
        var tokenizer = vocabulary.Tokenizer;
        var matcher = new GrammarMatcher(Grammar.FromSchema(Schema), vocabulary, []);
        var tokens = tokenizer.Encode(Reply);
        var (forced, skipped) = (new int[64], 0);
        for (var at = 0; at < tokens.Length;)
        {
            var count = at < from ? 0 : matcher.ForcedTokens(forced);
            Assert.Equal(tokens.AsSpan(at, count), forced.AsSpan(0, count));
            skipped += count;
            for (var end = at + Math.Max(count, 1); at < end; at++)
            {
                Assert.True(matcher.TryAccept(tokens[at]));
            }
        }

        Assert.InRange(skipped, 6, tokens.Length);
    }

    [Fact]
    public void A_reply_like_an_earlier_one_allocates_nothing()
    {
        var vocabulary = Vocabularies.ByteLevel;
        var grammar = Grammar.FromSchema(Schema);
        var tokens = Vocabularies.Bytes("""{"customer_name":"Zoe","order_count":12,"status":"open","remarks":null}""");
        var forced = new int[16];
        Assert.NotEqual(0, Walk());
        Assert.Equal(0, Walk());

        long Walk()
        {
            var matcher = new GrammarMatcher(grammar, vocabulary, [Vocabularies.End]);
            var before = GC.GetAllocatedBytesForCurrentThread();
            var isRefused = false;
            foreach (var token in tokens)
            {
                isRefused |= matcher.AllowedTokens()[token >> 6] == 0;
                matcher.ForcedTokens(forced);
                isRefused |= !matcher.TryAccept(token);
            }

            var allocated = GC.GetAllocatedBytesForCurrentThread() - before;
            Assert.False(isRefused);
            return allocated;
        }
    }

    [Fact]
    public void The_end_of_a_forced_reply_needs_no_model()
    {
        var vocabulary = Vocabularies.Oracle("qwen2");
        var tokenizer = vocabulary.Tokenizer;
        var matcher = new GrammarMatcher(Grammar.FromChoice(["the only answer"]), vocabulary, []);
        var forced = new int[16];
        var count = matcher.ForcedTokens(forced);
        Assert.Equal(tokenizer.Encode("the only answer"), forced.Take(count));
        Assert.True(forced.Take(count).All(matcher.TryAccept));
        Assert.True(matcher.IsComplete);
        Assert.Equal(0, matcher.ForcedTokens(forced));
    }
}
