using Gateway.Domain.Guards;
using Gateway.TestKit;
using Xunit;

namespace Gateway.UnitTests.Domain.Guards;

public sealed class GuardWindowTests
{
    private static readonly GuardRule Words = new() { Id = "words", Kind = GuardKind.Words, Words = ["secret", "C++", "blue whale"], Action = GuardAction.Redact };
    private static readonly GuardRule Pattern = new() { Id = "code", Kind = GuardKind.Pattern, Pattern = "[A-Z]{3}-[0-9]{4}", Action = GuardAction.Redact };
    private static readonly GuardRule Pii = new() { Id = "pii", Kind = GuardKind.Pii, Action = GuardAction.Redact };
    private static readonly GuardRule Topic = new() { Id = "topic", Kind = GuardKind.Topic, Words = ["poison", "dose", "lethal"], Threshold = 2 };

    [Theory]
    [InlineData("a SECRET here", "a <WORDS> here")]
    [InlineData("secrets stay, as does insecret", "secrets stay, as does insecret")]
    [InlineData("I like C++, blue whale", "I like <WORDS>, <WORDS>")]
    [InlineData("write ABC-1234 to john@example.com.", "write <CODE> to <PII>.")]
    [InlineData("", "")]
    public void Push_WholeText_ReplacesWhatIsFound(string text, string expected) =>
        Assert.Equal(expected, new GuardWindow([new(Words), new(Pattern), new(Pii)], 50).Push(text, isLast: true));

    [Fact]
    public void Push_TopicOfTwoWords_NeedsTwoDifferentOnes()
    {
        var window = new GuardWindow([new(Topic)], 20);
        Assert.Equal("poison, Poison", window.Push("poison, Poison", isLast: true));
        window = new GuardWindow([new(Topic)], 4);
        Assert.NotEqual("", window.Push("a poison and then some more", isLast: false));
        Assert.Equal("", window.Push(" a lethal end", isLast: true));
        Assert.Equal("topic", window.Blocked!.Id);
    }

    [Fact]
    public void Push_FindAtTheEnd_WaitsForWhatFollows()
    {
        var window = new GuardWindow([new(Words)], 20);
        Assert.Equal("", window.Push("top secret", isLast: false));
        Assert.Equal("top secretary", window.Push("ary", isLast: true));
    }

    /// <summary>However a text is cut into pieces, the same leaves as of the whole, and nothing of a find before it is decided.</summary>
    [Fact]
    public void Push_AnyPieces_GiveWhatTheWholeGives()
    {
        var random = new SplitMix64(7);
        var parts = new[] { "secret", " ", "C++", "ABC-1234", "john@example.com", "blue whale", "é", "😀", "plain words ", "+49 30 1234567", "." };
        for (var round = 0; round < 300; round++)
        {
            var text = "";
            for (var i = 0; i < 12; i++)
            {
                text += parts[(int)(random.NextUInt64() % (ulong)parts.Length)] + " ";
            }

            IReadOnlyList<TextGuard> guards = [new(Words), new(Pattern), new(Pii)];
            var whole = new GuardWindow(guards, 40).Push(text, isLast: true);
            var window = new GuardWindow(guards, 40);
            var released = "";
            for (var at = 0; at < text.Length;)
            {
                var length = Math.Min(text.Length - at, 1 + (int)(random.NextUInt64() % 9));
                released += window.Push(text.Substring(at, length), at + length == text.Length);
                Assert.DoesNotContain("ABC-1234", released, StringComparison.Ordinal);
                at += length;
            }

            Assert.Equal(whole, released);
        }
    }

    [Theory]
    [InlineData(GuardKind.Words, null, "words")]
    [InlineData(GuardKind.Pattern, "(a)\\1", "cannot be used")]
    [InlineData(GuardKind.Pattern, "(", "cannot be used")]
    [InlineData(GuardKind.Pattern, "a*", "empty text")]
    [InlineData(GuardKind.Http, "ftp://x", "url")]
    public void Check_RuleThatCannotWork_IsToldByPointer(GuardKind kind, string? value, string expected)
    {
        var rule = new GuardRule { Id = "x", Kind = kind, Pattern = value, Url = value };
        var problem = Assert.Single(GuardValidation.Check(new() { Rules = [rule] }, "/guards"));
        Assert.Equal("/guards/rules/0", problem.Pointer);
        Assert.Contains(expected, problem.Message, StringComparison.Ordinal);
    }
}
