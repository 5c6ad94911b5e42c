using System.Text.Json;
using Gateway.Domain.Contracts;
using Xunit;

namespace Gateway.UnitTests.Domain.Contracts;

public class ContractDiffTests
{
    [Theory]
    [InlineData("a\nb\nc", "a\nx\nc", " a-b+x c")]
    [InlineData("a\nb", "a\nb", " a b")]
    [InlineData(null, "a", "+a")]
    [InlineData("a\nb\nc\nd", "b\nd\ne", "-a b-c d+e")]
    public void Lines_AreRemovedBeforeTheyAreAdded(string? before, string? after, string expected) =>
        Assert.Equal(expected, string.Concat(TextDiff.Compare(before, after).Select(line => " -+"[(int)line.Change] + line.Text)));

    [Fact]
    public void Lines_OfBothTextsAreAllThereInOrder()
    {
        var random = new Random(1);
        for (var round = 0; round < 200; round++)
        {
            var (before, after) = (Text(), Text());
            var lines = TextDiff.Compare(before, after);
            Assert.Equal(before, string.Join('\n', lines.Where(line => line.Change != LineChange.Added).Select(line => line.Text)));
            Assert.Equal(after, string.Join('\n', lines.Where(line => line.Change != LineChange.Removed).Select(line => line.Text)));
        }

        string Text() => string.Join('\n', Enumerable.Range(0, random.Next(1, 12)).Select(_ => "abc"[random.Next(3)]));
    }

    [Fact]
    public void Json_DiffersAtTheDeepestPlaceThatTellsIt()
    {
        var before = JsonElement.Parse("""{"a":{"b":1,"c":[1,2]},"d":true}""");
        var after = JsonElement.Parse("""{"d":true,"a":{"c":[1,3,4],"b":1.0},"e/f":null}""");
        var differences = JsonDiff.Compare(before, after);
        Assert.Equal(
            ["/a/b 1 1.0", "/a/c/1 2 3", "/a/c/2 - 4", "/e~1f - null"],
            differences.Select(d => $"{d.Pointer} {d.Before?.GetRawText() ?? "-"} {d.After?.GetRawText() ?? "-"}"));
        Assert.Empty(JsonDiff.Compare(before, JsonElement.Parse("""{"d":true,"a":{"c":[1, 2],"b":1}}""")));
    }

    [Fact]
    public void Versions_TellWhetherTheModelSeesSomethingElse()
    {
        var first = Version(1, new ContractContent { SystemPrompt = "One.\nTwo.", Sampling = new SamplingDefaults { Temperature = 1 } });
        var second = Version(2, first.Content with { Sampling = new SamplingDefaults { Temperature = 0 } });
        var diff = ContractDiff.Compare(first, second);
        Assert.False(diff.PromptChanged);
        Assert.Empty(diff.SystemPrompt);
        Assert.Equal("/sampling/temperature", Assert.Single(diff.Members).Pointer);

        var third = ContractDiff.Compare(second, Version(3, second.Content with { SystemPrompt = "One.\nThree." }));
        Assert.True(third.PromptChanged);
        Assert.Equal(3, third.SystemPrompt.Count);
        Assert.Empty(third.Members);
    }

    private static Contract Version(int number, ContractContent content) => ContractHasher.Create("triage", number, content, default, "me");
}
