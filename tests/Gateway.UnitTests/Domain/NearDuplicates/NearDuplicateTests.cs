using Gateway.Domain.NearDuplicates;
using Gateway.TestKit;
using Xunit;

namespace Gateway.UnitTests.Domain.NearDuplicates;

public class NearDuplicateTests
{
    [Theory]
    [InlineData("  Où est LA\tcarte n°42 ?! ", "ou est la carte n00")]
    [InlineData("Don't—stop…", "dontstop")]
    [InlineData("日本 १२", "日本 00")]
    [InlineData("!?", "")]
    public void Normalize_KeepsWordsOnly(string text, string expected) => Assert.Equal(expected, ShingleSet.Normalize(text));

    [Fact]
    public void Of_CountsWordOrCharacterFiveGrams()
    {
        Assert.Equal(3, ShingleSet.Of("one two three four five six seven").Hashes.Length);
        Assert.Equal("my lost card".Length - 4, ShingleSet.Of("My lost card!").Hashes.Length);
        Assert.Equal(1, ShingleSet.Of("hi").Hashes.Length);
        Assert.Equal(0, ShingleSet.Of("?").Hashes.Length);
        Assert.Equal(1.0, ShingleSet.Of("Card 12 lost").Jaccard(ShingleSet.Of("card 99 LOST.")));
    }

    [Theory]
    [InlineData(0.5, 0.053)]
    [InlineData(0.7, 0.565)]
    [InlineData(0.8, 0.924)]
    [InlineData(0.9, 0.9996)]
    public void Candidates_OfPlantedPairs_FollowTheBandFormula(double similarity, double expected)
    {
        const int pairs = 500, union = 200;
        var random = new SplitMix64((ulong)(similarity * 100));
        var found = 0;
        for (var pair = 0; pair < pairs; pair++)
        {
            // 'similarity' of the union is shared, the rest is split between the two.
            var hashes = Enumerable.Range(0, union).Select(_ => random.NextUInt64()).ToArray();
            var shared = (int)(similarity * union);
            var half = shared + ((union - shared) / 2);
            var first = new ShingleSet(hashes.Take(half));
            var second = new ShingleSet(hashes.Take(shared).Concat(hashes.Skip(half)));
            Assert.Equal(similarity, first.Jaccard(second), 1e-9);

            var index = new NearDuplicateIndex();
            index.Add(first);
            found += index.Candidates(second).Any() ? 1 : 0;
        }

        var error = Math.Sqrt(Math.Max(expected * (1 - expected), 0.001) / pairs);
        Assert.InRange(found / (double)pairs, expected - (4 * error), expected + (4 * error));
    }

    [Fact]
    public void Signature_EstimatesJaccard()
    {
        var random = new SplitMix64(5);
        var hashes = Enumerable.Range(0, 2000).Select(_ => random.NextUInt64()).ToArray();
        var (first, second) = (new ShingleSet(hashes[..1400]), new ShingleSet(hashes[600..]));
        var equal = MinHash.Signature(first).Zip(MinHash.Signature(second)).Count(p => p.First == p.Second) / 112.0;
        Assert.Equal(first.Jaccard(second), equal, 0.15);
    }

    [Fact]
    public void Clusters_JoinChainsAndNothingElse()
    {
        var words = Enumerable.Range(0, 60).Select(i => ((char)('a' + (i % 26))).ToString() + (char)('a' + (i / 26))).ToArray();
        var text = string.Join(' ', words);
        var nearly = string.Join(' ', words[..58]);
        var other = string.Join(' ', words.Reverse());
        Assert.Equal([0, 1, 0, 0, 1], NearDuplicateClusters.Find([text, other, text.ToUpperInvariant() + "!", nearly, other]));
    }

    [Fact]
    public void Clusters_ManyCopies_AreCheap()
    {
        // Digits count as 0, so there is one text for each number of digits; a pass over all pairs would not end in time.
        var clusters = NearDuplicateClusters.Find(Enumerable.Range(0, 20_000).Select(i => $"a b c d {i}").ToArray());
        Assert.Equal([0, 10, 100, 1000, 10_000], clusters.Distinct());
    }
}
