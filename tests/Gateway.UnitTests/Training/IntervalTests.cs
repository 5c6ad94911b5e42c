using Gateway.Training.Evaluation;
using Xunit;

namespace Gateway.UnitTests.Training;

public sealed class IntervalTests
{
    [Theory]
    [InlineData(0, 10, 0.0, 0.27754)]
    [InlineData(5, 10, 0.23659, 0.76341)]
    [InlineData(81, 263, 0.25529, 0.36625)]
    public void Proportion_is_Wilsons_interval(int successes, int n, double low, double high)
    {
        // 81 of 263 is the worked example of Newcombe (1998), method 3.
        var interval = Interval.Proportion(successes, n);
        Assert.Equal(low, interval.Low, 1e-4);
        Assert.Equal(high, interval.High, 1e-4);
    }

    [Fact]
    public void Paired_difference_of_equal_items_is_exactly_zero()
    {
        var interval = Interval.PairedDifference(new double[50]);
        Assert.Equal((0.0, 0.0, 0.0, 50), (interval.Value, interval.Low, interval.High, interval.N));
    }

    [Fact]
    public void Paired_difference_agrees_with_the_normal_interval_and_repeats()
    {
        var random = new Random(4);
        var differences = Enumerable.Range(0, 400).Select(_ => random.NextDouble() < 0.3 ? 1.0 : 0).ToArray();
        var interval = Interval.PairedDifference(differences);
        var mean = differences.Average();
        var half = 1.96 * Math.Sqrt(mean * (1 - mean) / 400);
        Assert.Equal(mean, interval.Value, 1e-12);
        Assert.Equal(mean - half, interval.Low, 0.01);
        Assert.Equal(mean + half, interval.High, 0.01);
        Assert.Equal(interval, Interval.PairedDifference(differences));
    }

    [Fact]
    public void Nothing_measured_says_nothing()
    {
        Assert.Equal((0.0, 1.0), (Interval.Proportion(0, 0).Low, Interval.Proportion(0, 0).High));
        Assert.Equal(double.NegativeInfinity, Interval.PairedDifference([]).Low);
    }
}
