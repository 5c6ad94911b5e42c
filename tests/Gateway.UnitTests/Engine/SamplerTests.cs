using Gateway.Engine.Sampling;
using Xunit;

namespace Gateway.UnitTests.Engine;

public sealed class SamplerTests
{
    [Fact]
    public void Sample_Greedy_TakesTheLowestIdAmongEquals() =>
        Assert.Equal(1, Sample([0, 3, 3, 1], SamplingSettings.Greedy));

    [Theory]
    [InlineData(1)]
    [InlineData(15)]
    [InlineData(16)]
    [InlineData(1024)]
    [InlineData(5003)]
    public void Sample_Greedy_FindsTheFirstLargestWhereverItIs(int vocabulary)
    {
        var random = new Random(vocabulary);
        for (var round = 0; round < 50; round++)
        {
            var logits = Enumerable.Range(0, vocabulary).Select(_ => -(float)random.Next(0, 50)).ToArray();

            Assert.Equal(Array.IndexOf(logits, logits.Max()), Sample(logits, SamplingSettings.Greedy));
        }
    }

    [Theory]
    [InlineData(float.NaN)]
    [InlineData(float.PositiveInfinity)]
    [InlineData(float.NegativeInfinity)]
    public void Sample_NonFiniteLogit_IsReportedWhereverItIs(float value)
    {
        for (var at = 0; at < 40; at++)
        {
            var logits = new float[40];
            logits[at] = value;

            Assert.Equal(Sampler.NotFinite, Sample(logits, new SamplingSettings(1, 1, 0, 1)));
        }
    }

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
    public void Sample_MinP_DropsTokensBelowAShareOfTheLikeliest()
    {
        float[] logits = [MathF.Log(0.1f), MathF.Log(0.5f), MathF.Log(0.3f), MathF.Log(0.1f)];

        Assert.Equal([1, 2], Frequencies(logits, new SamplingSettings(1, 1, 0, 9) { MinP = 0.5f }).Keys.Order());
        Assert.Equal([0, 1, 2, 3], Frequencies(logits, new SamplingSettings(1, 1, 0, 9) { MinP = 0.1f }).Keys.Order());
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
    public void Sample_Penalties_LowerWhatWasSaid()
    {
        float[] logits = [2, 1.9f, 1.8f, -1];
        int Next(SamplingSettings settings) => new Sampler(4).Sample([.. logits], settings, [1, 0, 0], promptLength: 1, []);

        Assert.Equal(0, Next(SamplingSettings.Greedy));
        // Repetition looks at the prompt too: 2/1.2 and 1.9/1.2 fall below 1.8.
        Assert.Equal(2, Next(SamplingSettings.Greedy with { RepetitionPenalty = 1.2f }));
        // Presence and frequency look at the reply alone: 2 − 0.15 < 1.9, and 2 − 2 · 0.06 < 1.9.
        Assert.Equal(1, Next(SamplingSettings.Greedy with { PresencePenalty = 0.15f }));
        Assert.Equal(1, Next(SamplingSettings.Greedy with { FrequencyPenalty = 0.06f }));
        Assert.Equal(3, Next(SamplingSettings.Greedy with { LogitBias = [new TokenBias(3, 10)] }));
    }

    [Fact]
    public void Sample_Penalties_LeaveTheSamplerAsItWas()
    {
        var sampler = new Sampler(4);
        var settings = SamplingSettings.Greedy with { RepetitionPenalty = 1.2f, FrequencyPenalty = 0.5f };
        var first = Enumerable.Range(0, 3).Select(_ => sampler.Sample([2, 1.9f, 1.8f, -1], settings, [1, 0, 0], 1, [])).ToList();

        Assert.Equal([2, 2, 2], first);
    }

    [Theory]
    [InlineData(64)]
    [InlineData(262)]
    [InlineData(1030)]
    public void Sample_Mask_DrawsAllowedTokensOnly(int vocabulary)
    {
        var random = new Random(vocabulary);
        for (var round = 0; round < 200; round++)
        {
            var logits = Enumerable.Range(0, vocabulary).Select(_ => random.NextSingle() * 20).ToArray();
            var allowed = Enumerable.Range(0, random.Next(1, 6)).Select(_ => random.Next(vocabulary)).ToHashSet();
            var mask = new ulong[(vocabulary + 63) / 64];
            foreach (var token in allowed)
            {
                mask[token / 64] |= 1UL << (token % 64);
            }

            Assert.Equal(allowed.MaxBy(token => logits[token]), new Sampler(vocabulary).Sample([.. logits], SamplingSettings.Greedy, [1], 1, mask));
            Assert.Contains(new Sampler(vocabulary).Sample([.. logits], new SamplingSettings(1.5f, 0.9f, 50, round), [1], 1, mask), allowed);
        }

        Assert.Equal(Sampler.NothingAllowed, new Sampler(vocabulary).Sample(new float[vocabulary], SamplingSettings.Greedy, [1], 1, new ulong[(vocabulary + 63) / 64]));
    }

    [Fact]
    public void Sample_SameSeedAndPosition_GivesTheSameToken()
    {
        var logits = Enumerable.Range(0, 40).Select(i => (i % 7) * 0.1f).ToArray();
        var settings = new SamplingSettings(1, 0.95f, 0, 5);
        var first = Enumerable.Range(0, 50).Select(position => Sample(logits, settings, position)).ToList();
        var shared = new Sampler(40);

        Assert.Equal(first, Enumerable.Range(0, 50).Select(position => shared.Sample([.. logits], settings, new int[position], 0, [])));
        Assert.NotEqual(first, Enumerable.Range(0, 50).Select(position => Sample(logits, settings with { Seed = 6 }, position)));
    }

    /// <summary>Pinned draws: every instruction set must give these.</summary>
    [Fact]
    public void Sample_AnyInstructionSet_GivesThePinnedDraws()
    {
        var logits = Enumerable.Range(0, 3001).Select(i => 6 * MathF.ScaleB((i * 7919) % 4096, -12)).ToArray();
        SamplingSettings[] settings = [new(0.9f, 1, 0, 1), new(0.7f, 0.9f, 0, 2), new(1.3f, 1, 40, 3), new(1, 0.8f, 200, 4) { MinP = 0.3f }];

        var draws = settings.Select(setting => Enumerable.Range(0, 4).Select(position => Sample(logits, setting, position)));

        Assert.Equal("1217 2851 153 2404 | 1323 302 2597 1817 | 2836 2746 2776 2866 | 2176 2131 2536 2326", string.Join(" | ", draws.Select(row => string.Join(' ', row))));
    }

    [Fact]
    public void Sample_Repeatedly_AllocatesNothing()
    {
        var sampler = new Sampler(1000);
        var logits = Enumerable.Range(0, 1000).Select(i => (float)Math.Sin(i)).ToArray();
        var row = new float[1000];
        var mask = Enumerable.Repeat(ulong.MaxValue / 3, 16).ToArray();
        var settings = new SamplingSettings(1, 0.9f, 100, 5) { MinP = 0.01f, FrequencyPenalty = 0.1f, RepetitionPenalty = 1.1f, LogitBias = [new TokenBias(3, 1)] };
        var tokens = new int[100];
        sampler.Sample(row, settings, tokens, 10, mask);

        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var position = 10; position < 100; position++)
        {
            logits.CopyTo(row, 0);
            sampler.Sample(row, settings, tokens.AsSpan(0, position), 10, mask);
        }

        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
    }

    [Fact]
    public void Exp_RangeOfLogits_AgreesWithTheReferenceAndWithScalarArithmetic()
    {
        for (var x = 0f; x > -90; x -= 0.0173f)
        {
            var value = LogitLanes.Exp(System.Runtime.Intrinsics.Vector512.Create(x))[3];

            Assert.Equal(ScalarExp(x), value);
            Assert.InRange(value, x < -87 ? 0 : Math.Exp(x) * (1 - 2e-7), x < -87 ? 0 : Math.Exp(x) * (1 + 2e-7));
        }

        Assert.Equal(1, LogitLanes.Exp(default)[0]);
    }

    [Fact]
    public void Selection_RandomWeights_AgreesWithASort()
    {
        var random = new Random(8);
        for (var round = 0; round < 1000; round++)
        {
            // Few distinct values in one half of the rounds, so that equals are frequent; sizes around blocks and vectors.
            var size = random.Next(3) == 0 ? random.Next(1, 40) : random.Next(1000, 3000);
            var values = Enumerable.Range(0, size).Select(_ => round % 2 == 0 ? random.Next(1, 9) / 8f : MathF.Exp(-4 * random.NextSingle())).ToArray();
            var sorted = values.OrderDescending().ToArray();
            var count = random.Next(1, size + 1);
            var scratch = new float[size];

            var largest = Selection.Largest(values, count, scratch);
            Assert.Equal((sorted[count - 1], values.Count(value => value > sorted[count - 1])), (largest.Value, largest.Above));

            // A mass between two partial sums, so that rounding decides nothing.
            var wanted = sorted.Take(count).Sum(value => (double)value) - (0.5 * sorted[count - 1]);
            var mass = Selection.Mass(values, wanted, values.Sum(value => (double)value), scratch);
            Assert.Equal(sorted[count - 1], mass.Value);
            Assert.Equal(values.Where(value => value > mass.Value).Sum(value => (double)value), mass.Above, 1e-3);
        }
    }

    [Fact]
    public void Keep_RandomWeights_LeavesTheLargestAndLowestIds()
    {
        var random = new Random(4);
        for (var round = 0; round < 300; round++)
        {
            var size = random.Next(1, 2500);
            var logits = Enumerable.Range(0, size).Select(_ => round % 2 == 0 ? -random.Next(6) : -12 * random.NextSingle()).ToArray();
            var count = random.Next(1, size + 1);
            var expected = logits.Select((logit, id) => (logit, id)).OrderByDescending(pair => pair.logit).ThenBy(pair => pair.id).Take(count).Select(pair => pair.id).Order();
            var row = logits.ToArray();
            var weights = TokenWeights.FromLogits(row, logits.Max(), 1, new double[3]);

            weights.KeepLargest(count, new float[size]);

            Assert.Equal(expected, Enumerable.Range(0, size).Where(id => row[id] > 0));
            Assert.Equal(row.Sum(weight => (double)weight), weights.Total, 1e-3);
            var share = random.NextSingle();
            var before = weights.Total;
            weights.KeepMass(share, new float[size]);
            var kept = row.Where(weight => weight > 0).ToArray();
            Assert.InRange(kept.Sum(weight => (double)weight), share * before * 0.99999, double.MaxValue);
            Assert.InRange(kept.Sum(weight => (double)weight) - kept.Min(), -1e-5, share * before * 1.00001);
            Assert.All(Enumerable.Range(0, size), id => Assert.True(row[id] > 0 || MathF.Exp(logits[id] - logits.Max()) <= kept.Min() * 1.0001f));
        }
    }

    [Fact]
    public void Require_NumbersOutOfRange_AreRefused()
    {
        Assert.Throws<ArgumentException>(() => new SamplingSettings(float.NaN, 1, 0, 0).Require(10));
        Assert.Throws<ArgumentException>(() => new SamplingSettings(1, 1.5f, 0, 0).Require(10));
        Assert.Throws<ArgumentException>(() => (SamplingSettings.Greedy with { LogitBias = [new TokenBias(10, 1)] }).Require(10));
        SamplingSettings.Greedy.Require(10);
    }

    private static int Sample(float[] logits, SamplingSettings settings, int position = 0) =>
        new Sampler(logits.Length).Sample([.. logits], settings, new int[position], position, []);

    private static float ScalarExp(float x)
    {
        if (x < -87)
        {
            return 0;
        }

        var shifted = MathF.FusedMultiplyAdd(x, 1.44269504f, 12582912f);
        var n = shifted - 12582912f;
        var r = MathF.FusedMultiplyAdd(n, 2.12194440e-4f, MathF.FusedMultiplyAdd(n, -0.693359375f, x));
        float[] coefficients = [1f / 720, 1f / 120, 1f / 24, 1f / 6, 0.5f, 1, 1];
        var p = coefficients.Aggregate(1f / 5040, (sum, coefficient) => MathF.FusedMultiplyAdd(sum, r, coefficient));
        return BitConverter.Int32BitsToSingle(BitConverter.SingleToInt32Bits(p) + (BitConverter.SingleToInt32Bits(shifted) << 23));
    }

    private static Dictionary<int, int> Frequencies(float[] logits, SamplingSettings settings, int draws = 2000)
    {
        var sampler = new Sampler(logits.Length);
        var row = new float[logits.Length];
        return Enumerable.Range(0, draws).Select(draw =>
        {
            logits.CopyTo(row, 0);
            return sampler.Sample(row, settings with { Seed = draw }, [], 0, []);
        }).CountBy(id => id).ToDictionary();
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
