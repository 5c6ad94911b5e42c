using Gateway.Engine.Sampling;
using Xunit;

namespace Gateway.UnitTests.Engine;

public sealed class SamplerTests
{
    [Fact]
    public void Sample_Greedy_TakesTheLowestIdAmongEquals() =>
        Assert.Equal(1, new Sampler(4).Sample([0, 3, 3, 1], SamplingSettings.Greedy, 0));

    [Theory]
    [InlineData(float.NaN)]
    [InlineData(float.PositiveInfinity)]
    [InlineData(float.NegativeInfinity)]
    public void Sample_NonFiniteLogit_IsReported(float value) =>
        Assert.Equal(Sampler.NotFinite, new Sampler(3).Sample([0, value, 1], new SamplingSettings(1, 1, 0, 1), 0));

    [Fact]
    public void Sample_TopK_KeepsExactlyTheLargestAndLowestIdsAmongEquals()
    {
        var seen = Frequencies([1, 2, 2, 2, 0], new SamplingSettings(1, 1, 2, 9));

        Assert.Equal([1, 2], seen.Keys.Order());
    }

    [Fact]
    public void Sample_TopP_KeepsTheShortestPrefixThatReachesTheMass()
    {
        float[] logits = [MathF.Log(0.1f), MathF.Log(0.5f), MathF.Log(0.3f), MathF.Log(0.1f)];

        Assert.Equal([1], Frequencies(logits, new SamplingSettings(1, 0, 0, 9)).Keys.Order());
        Assert.Equal([1], Frequencies(logits, new SamplingSettings(1, 0.49f, 0, 9)).Keys.Order());
        Assert.Equal([1, 2], Frequencies(logits, new SamplingSettings(1, 0.75f, 0, 9)).Keys.Order());
        Assert.Equal([0, 1, 2], Frequencies(logits, new SamplingSettings(1, 0.85f, 0, 9)).Keys.Order());
    }

    [Fact]
    public void Sample_ManyDraws_FollowTheDistributionOfAFullSort()
    {
        var random = new Random(3);
        var logits = Enumerable.Range(0, 50).Select(_ => (float)(random.NextDouble() * 4)).ToArray();
        var settings = new SamplingSettings(0.7f, 0.8f, 30, 11);
        const int draws = 60_000;

        var seen = Frequencies(logits, settings, draws);

        foreach (var (id, probability) in ReferenceDistribution(logits, settings))
        {
            var deviation = Math.Sqrt(probability * (1 - probability) / draws);
            Assert.InRange(seen.GetValueOrDefault(id) / (double)draws, probability - (5 * deviation), probability + (5 * deviation));
        }

        Assert.Equal(ReferenceDistribution(logits, settings).Keys.Order(), seen.Keys.Order());
    }

    [Fact]
    public void Sample_SameSeedAndPosition_GivesTheSameToken()
    {
        var logits = Enumerable.Range(0, 40).Select(i => (i % 7) * 0.1f).ToArray();
        var settings = new SamplingSettings(1, 0.95f, 0, 5);
        var first = Enumerable.Range(0, 50).Select(position => new Sampler(40).Sample(logits, settings, position)).ToList();
        var shared = new Sampler(40);

        Assert.Equal(first, Enumerable.Range(0, 50).Select(position => shared.Sample(logits, settings, position)));
        Assert.NotEqual(first, Enumerable.Range(0, 50).Select(position => shared.Sample(logits, settings with { Seed = 6 }, position)));
    }

    [Fact]
    public void Sample_Repeatedly_AllocatesNothing()
    {
        var sampler = new Sampler(1000);
        var logits = Enumerable.Range(0, 1000).Select(i => (float)Math.Sin(i)).ToArray();
        var settings = new SamplingSettings(1, 0.9f, 100, 5);
        sampler.Sample(logits, settings, 0);

        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var position = 0; position < 100; position++)
        {
            sampler.Sample(logits, settings, position);
        }

        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
    }

    [Fact]
    public void Selection_RandomValues_AgreesWithASort()
    {
        var random = new Random(8);
        for (var round = 0; round < 500; round++)
        {
            // Few distinct values, so that equals are frequent.
            var values = Enumerable.Range(0, random.Next(1, 40)).Select(_ => (float)random.Next(1, 9)).ToArray();
            var sorted = values.OrderDescending().ToArray();
            var count = random.Next(1, values.Length + 1);
            Assert.Equal(sorted[count - 1], Selection.Largest([.. values], count));

            var mass = random.NextDouble() * sorted.Sum();
            var prefix = 0.0;
            var expected = sorted.First(value => (prefix += value) >= mass);
            Assert.Equal(expected, Selection.Mass([.. values], mass));
        }
    }

    private static Dictionary<int, int> Frequencies(float[] logits, SamplingSettings settings, int draws = 2000)
    {
        var sampler = new Sampler(logits.Length);
        return Enumerable.Range(0, draws).Select(position => sampler.Sample(logits, settings, position)).CountBy(id => id).ToDictionary();
    }

    private static Dictionary<int, double> ReferenceDistribution(float[] logits, SamplingSettings settings)
    {
        var sorted = logits.Select((logit, id) => (id, weight: Math.Exp(logit / settings.Temperature))).OrderByDescending(x => x.weight).Take(settings.TopK).ToList();
        var total = sorted.Sum(x => x.weight);
        var kept = new List<(int Id, double Weight)>();
        var mass = 0.0;
        foreach (var (id, weight) in sorted)
        {
            if (mass >= settings.TopP * total)
            {
                break;
            }

            kept.Add((id, weight));
            mass += weight;
        }

        return kept.ToDictionary(x => x.Id, x => x.Weight / mass);
    }
}
