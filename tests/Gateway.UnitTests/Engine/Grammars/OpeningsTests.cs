using Gateway.Engine.Grammars;
using Xunit;

namespace Gateway.UnitTests.Engine.Grammars;

/// <summary>Parts behind openings: in free text, at its beginning, or one behind the other.</summary>
public sealed class OpeningsTests
{
    private static readonly GrammarPart.Pattern s_part = new("[ab]{2}");

    private static readonly Grammar s_anywhere = Free(new GrammarPart.Literal("<<go>"), lead: null);

    [Theory]
    [InlineData("any text", true)]
    [InlineData("", true)]
    [InlineData("<<go>ab", true)]
    [InlineData("x<<go>ab and <<go>ba.", true)]
    [InlineData("<<<go>ab", true)]
    [InlineData("<<go <<g", true)]
    [InlineData("<<go>a", false)]
    [InlineData("<<go>", false)]
    [InlineData("<<go>x", false)]
    [InlineData("<<<go>b!", false)]
    public void Anywhere_AnOpeningCutAnyhow_IsFollowedByItsPart(string text, bool expected) => Assert.Equal(expected, GrammarTests.Accepts(s_anywhere, text));

    [Theory]
    [InlineData(" ;{ab", true)]
    [InlineData("{ab; {ba and {x", true)]
    [InlineData("x{nothing", true)]
    [InlineData(" ;", true)]
    [InlineData("{abx{y", true)]
    [InlineData("{ab;{x", false)]
    [InlineData("; {x", false)]
    public void BehindALead_OpeningsCountUntilTextComes(string text, bool expected) =>
        Assert.Equal(expected, GrammarTests.Accepts(Free(new GrammarPart.Literal("{"), lead: " ;"), text));

    [Theory]
    [InlineData(1, "ab", true)]
    [InlineData(1, "ab, ba", false)]
    [InlineData(3, "ab, ba, aa", true)]
    [InlineData(3, "ab, ba, aa, bb", false)]
    [InlineData(3, "ab, ", false)]
    [InlineData(3, "ab,", false)]
    [InlineData(3, "", false)]
    public void Repeat_CountsParts(int most, string text, bool expected) =>
        Assert.Equal(expected, GrammarTests.Accepts(Grammar.FromParts(GrammarPart.Repeat(s_part, ", ", most)), text));

    /// <summary>Where every token may come, no mask is made and nothing is forced; special tokens and ids without text are text, too.</summary>
    [Fact]
    public void FreeText_NeedsNoMask()
    {
        var matcher = new GrammarMatcher(s_anywhere, Vocabularies.ByteLevel, [Vocabularies.End]);
        var random = new Random(1);
        var forced = new int[8];
        for (var step = 0; step < 300; step++)
        {
            Assert.Equal((0, 0, true, false), (matcher.AllowedTokens().Length, matcher.ForcedTokens(forced), matcher.CanEnd, matcher.IsComplete));
            var token = random.Next(Vocabularies.ByteLevel.Size);
            Assert.True(token is '<' || token == Vocabularies.End || matcher.TryAccept(token), $"step {step} token {token}");
        }

        Assert.True(matcher.TryAccept(Vocabularies.End));
        Assert.True(matcher.IsComplete);
    }

    /// <summary>A token may end an opening and go on; then it must go on as the part does.</summary>
    [Theory]
    [InlineData("na", "", "name")]
    [InlineData("name\":", "name", "kind")]
    public void MasksEqualTryingEveryToken(string opening, string before, string part)
    {
        var vocabulary = Vocabularies.ByteLevel;
        var grammar = Grammar.FromParts(new GrammarPart.Openings([new Opening(new GrammarPart.Literal(opening), new GrammarPart.Literal(part))], null, IsText: true));
        var matcher = new GrammarMatcher(grammar, vocabulary, [Vocabularies.End]);
        Assert.All(Vocabularies.Bytes("x" + before), token => Assert.True(matcher.TryAccept(token)));
        var mask = matcher.AllowedTokens().ToArray();
        Assert.NotEmpty(mask);
        var refused = 0;
        for (var token = 0; token < vocabulary.Size; token++)
        {
            var accepts = matcher.TryAccept(token);
            matcher.Rollback(accepts ? 1 : 0);
            refused += accepts ? 0 : 1;
            Assert.True(accepts == ((mask[token >> 6] >> token & 1) != 0), $"{token} '{vocabulary.Tokenizer.IdToToken(token)}'");
        }

        Assert.InRange(refused, 1, 9);
    }

    [Fact]
    public void OpeningWithAToken_IsThatTokenAndNotItsText()
    {
        var vocabulary = Vocabularies.Marked;
        var mark = vocabulary.Tokenizer.TokenToId("<tool_call>")!.Value;
        var close = vocabulary.Tokenizer.TokenToId("</tool_call>")!.Value;
        var grammar = Grammar.FromParts(new GrammarPart.Openings(
            [new Opening(new GrammarPart.Token(mark), new GrammarPart.Sequence(s_part, new GrammarPart.Token(close)))], null, IsText: true));
        var matcher = new GrammarMatcher(grammar, vocabulary, [Vocabularies.End]);
        Assert.All(Vocabularies.Bytes("<tool_call>x"), token => Assert.True(matcher.TryAccept(token)));
        Assert.True(matcher.TryAccept(close));
        Assert.True(matcher.AllowedTokens().IsEmpty);
        Assert.True(matcher.TryAccept(mark));
        Assert.False(matcher.TryAccept(mark));
        Assert.False(matcher.TryAccept(Vocabularies.End));
        Assert.True(matcher.TryAccept('a') && matcher.TryAccept('b'));
        Assert.False(matcher.TryAccept('<'));
        Assert.Equal(0, matcher.ForcedTokens(new int[4]));
        Assert.Equal([close], Enumerable.Range(0, vocabulary.Size).Where(token => GrammarTests.Allows(matcher, token)));
        Assert.True(matcher.TryAccept(close));
        Assert.True(matcher.CanEnd && matcher.AllowedTokens().IsEmpty);
    }

    [Fact]
    public void TakingBackEqualsNeverHavingTaken()
    {
        var grammar = Free(new GrammarPart.Literal("ab"), lead: null);
        var random = new Random(5);
        var matcher = new GrammarMatcher(grammar, Vocabularies.ByteLevel, [Vocabularies.End], capacity: 4);
        var taken = new List<int>();
        for (var step = 0; step < 2000; step++)
        {
            var token = random.Next(4) == 0 ? random.Next(Vocabularies.ByteLevel.Size) : "ab <"[random.Next(4)];
            if (matcher.TryAccept(token))
            {
                taken.Add(token);
            }

            if (random.Next(6) == 0)
            {
                var back = Math.Min(random.Next(6), taken.Count);
                matcher.Rollback(back);
                taken.RemoveRange(taken.Count - back, back);
            }

            if (step % 20 == 0)
            {
                var replay = new GrammarMatcher(grammar, Vocabularies.ByteLevel, [Vocabularies.End]);
                Assert.True(taken.TrueForAll(replay.TryAccept));
                Assert.Equal(replay.AllowedTokens(), matcher.AllowedTokens());
                Assert.Equal((replay.CanEnd, replay.IsComplete), (matcher.CanEnd, matcher.IsComplete));
            }
        }
    }

    private static Grammar Free(GrammarPart mark, string? lead) => Grammar.FromParts(new GrammarPart.Openings([new Opening(mark, s_part)], lead, IsText: true));
}
