using Gateway.Bench;
using Xunit;

namespace Gateway.UnitTests.Host.Bench;

public sealed class SeriesTests
{
    [Theory]
    [InlineData(new[] { 3.0, 1, 2 }, 2)]
    [InlineData(new[] { 4.0, 1, 2, 3 }, 2.5)]
    public void Median_IsTheMiddle(double[] values, double expected) => Assert.Equal(expected, Series.MedianOf(values));

    [Theory]
    [InlineData(0.99, 99)]
    [InlineData(0.995, 100)]
    [InlineData(0, 1)]
    [InlineData(1, 100)]
    public void Quantile_IsTheNearestRank(double share, double expected) =>
        Assert.Equal(expected, Series.QuantileOf([.. Enumerable.Range(1, 100).Select(i => (double)i)], share));

    [Fact]
    public async Task Alternate_RunsThereAndBack_AndForgetsTheFirstRound()
    {
        var order = new List<string>();
        Series Make(string name) => new(name, () =>
        {
            order.Add(name);
            return Task.FromResult((double)order.Count);
        });
        var (a, b) = (Make("a"), Make("b"));
        var done = 0.0;

        await Series.AlternateAsync([a, b], 2, Progress(share => done = share), TestContext.Current.CancellationToken);

        Assert.Equal(["a", "b", "b", "a", "a", "b"], order);
        Assert.Equal([4, 5], a.Values);
        Assert.Equal([3, 6], b.Values);
        Assert.Equal(0, a.MedianWith(b, (x, y) => x - y));
        Assert.Equal(1, done);
    }

    [Fact]
    public void Target_OfABatch_IsAMultipleOfOneStream()
    {
        static BenchRow Decode(int streams, double rate) => BenchRow.Rate(new BenchCase("decode", "S", "int8", streams, Context: 128), rate, "tokens/s", 2000);
        BenchRow[] rows = [Decode(1, 200), Decode(8, 1300), Decode(16, 1500)];

        Assert.True(BenchTarget.Of(rows[1], rows).Met);
        Assert.False(BenchTarget.Of(rows[2], rows).Met);
        Assert.Null(BenchTarget.Of(rows[1], [rows[1]]).Met);
    }

    [Fact]
    public void Share_OfACost_IsLimitOverValue_AndStaysInItsRange()
    {
        var of = new BenchCase("load", "S", "int8");
        Assert.Equal(0.25, BenchRow.Cost(of, 4, "s", 1).Share);
        Assert.Equal(1, BenchRow.Cost(of, 0.5, "s", 1).Share);
    }

    private static BenchProgress Progress(Action<double> report)
    {
        var progress = new BenchProgress((_, _, share) => report(share));
        progress.Begin("test", 6);
        return progress;
    }
}
