using System.Text.Json;
using Gateway.Domain.Json;
using Gateway.Domain.NearDuplicates;
using Gateway.TestKit;
using Xunit;

namespace Gateway.UnitTests.Domain.NearDuplicates;

public class FrozenSplitTests
{
    [Fact]
    public void Assign_DrawsTheShareAndDependsOnTheKey()
    {
        var prompts = Enumerable.Range(0, 1000).Select(i => Words((ulong)i, 20)).ToList();
        var parts = FrozenSplit.Assign(new SplitState(), "key", prompts).Parts;
        var others = FrozenSplit.Assign(new SplitState(), "other", prompts).Parts;

        Assert.InRange(parts.Count(p => p == SplitPart.Test), 150, 250);
        Assert.NotEqual(parts, others);
    }

    [Fact]
    public void Assign_OrderAndRepetition_DoNotMatter()
    {
        var prompts = Enumerable.Range(0, 200).Select(i => Words((ulong)(i / 2), 30 + (i % 2))).ToList();
        var forward = FrozenSplit.Assign(new SplitState(), "key", prompts);
        var backward = FrozenSplit.Assign(new SplitState(), "key", [.. prompts.AsEnumerable().Reverse(), .. prompts]);
        Assert.Equal(forward.Parts, backward.Parts.Skip(200));
        Assert.Equal(forward.Next.Members.Count, backward.Next.Members.Count);
    }

    [Fact]
    public void Assign_GrowingData_NoTextEverMovesAndNearDuplicatesStayTogether()
    {
        var state = new SplitState();
        var seen = new Dictionary<string, SplitPart>(StringComparer.Ordinal);
        for (var round = 0; round < 5; round++)
        {
            // Each round brings new texts and longer versions of the old ones.
            var prompts = Enumerable.Range(0, 20 * (round + 1)).Select(i => Words((ulong)i, 40 + round)).ToList();
            var result = FrozenSplit.Assign(state, "key", [.. prompts, .. seen.Keys]);
            foreach (var (text, part) in prompts.Concat(seen.Keys.ToList()).Zip(result.Parts))
            {
                Assert.Equal(part, seen.TryGetValue(text, out var before) ? before : part);
                seen[text] = part;
            }

            state = JsonSerializer.Deserialize(JsonSerializer.Serialize(result.Next, DomainJson.Default.SplitState), DomainJson.Default.SplitState)!;
        }

        foreach (var family in seen.GroupBy(p => p.Key.Split(' ')[0], StringComparer.Ordinal))
        {
            Assert.Single(family.Select(p => p.Value).Distinct());
        }
    }

    [Fact]
    public void Assign_TextThatResemblesBothParts_IsExcludedForGood()
    {
        // Two texts that differ in their ends, and one between them that is near to both.
        var (start, middle, end) = (Words(1, 20), Words(2, 80), Words(3, 20));
        string first = $"{start} {middle}", second = $"{middle} {end}", bridge = $"{Words(1, 20)} {middle} {end}";
        var key = Enumerable.Range(0, 1000).Select(i => $"key {i}").First(k =>
            FrozenSplit.Assign(new SplitState(), k, [first]).Parts[0] == SplitPart.Train
            && FrozenSplit.Assign(new SplitState(), k, [second]).Parts[0] == SplitPart.Test);

        var state = FrozenSplit.Assign(new SplitState(), key, [first]).Next;
        var both = FrozenSplit.Assign(state, key, [second]);
        Assert.Equal(SplitPart.Test, both.Parts[0]);

        var result = FrozenSplit.Assign(both.Next, key, [bridge]);
        Assert.Equal(SplitPart.Excluded, result.Parts[0]);
        Assert.Equal([SplitPart.Train, SplitPart.Test, SplitPart.Excluded], FrozenSplit.Assign(result.Next, key, [first, second, bridge]).Parts);
    }

    private static string Words(ulong seed, int count)
    {
        var random = new SplitMix64(seed * 1_000_003);
        return string.Join(' ', Enumerable.Range(0, count).Select(_ =>
            string.Concat(Enumerable.Range(0, 6).Select(_ => (char)('a' + (int)(random.NextUInt64() % 26))))));
    }
}
