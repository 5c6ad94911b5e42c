using Gateway.Bench;
using Gateway.Model.Weights;
using Xunit;

namespace Gateway.UnitTests.Host.Bench;

/// <summary>The ceilings that the literature states for these shapes on a machine of 1144 GOPS and 47.7 GB/s, computed by hand.</summary>
public sealed class RooflineTests
{
    private static readonly Roofline Machine = new(FmaF32: 567e9, Int8: 1144e9, Read: 47.7e9);

    [Fact]
    public void Shapes_HaveThePublishedNumberOfWeights()
    {
        Assert.Equal(106_168_320, BenchShape.S.LayerWeights);
        Assert.Equal(28_311_552, BenchShape.S.HeadWeights);
        Assert.Equal(134_515_008, BenchShape.S.Config.ParameterCount);
        Assert.Equal(357_826_560, BenchShape.Q.LayerWeights);
        Assert.Equal(136_134_656, BenchShape.Q.HeadWeights);
        Assert.Equal(494_032_768, BenchShape.Q.Config.ParameterCount);
    }

    [Theory]
    [InlineData("int8", 333)]
    [InlineData("int4", 531)]
    public void DecodeRate_OfOneStreamWithoutContext_IsBandwidthOverWeights(string format, double expected)
    {
        Assert.True(WeightFormats.TryParse(format, out var parsed));
        Assert.InRange(Machine.DecodeRate(BenchShape.S, parsed, streams: 1, context: 0), 0.99 * expected, expected * 1.01);
    }

    [Fact]
    public void DecodeRate_CountsKeysAndValuesOfEveryStream()
    {
        // 23,040 bytes a token at 16 bits.
        Assert.Equal(23_040 * 128, Roofline.CacheBytes(BenchShape.S, 128));
        var bytes = Roofline.WeightBytes(BenchShape.S, WeightFormat.Int8) + (8 * 23_040.0 * 128);
        Assert.Equal(8 * 47.7e9 / bytes, Machine.DecodeRate(BenchShape.S, WeightFormat.Int8, 8, 128), 1e-6);
    }

    [Fact]
    public void DecodeRate_OfALargeBatch_IsBoundByArithmetic() =>
        Assert.Equal(1144e9 / (2.0 * (106_168_320 + 28_311_552)), Machine.DecodeRate(BenchShape.S, WeightFormat.Int8, 64, 128), 1e-6);

    [Fact]
    public void PrefillRate_CountsLayersPerTokenAndTheHeadOnce() =>
        Assert.Equal(256 * 1144e9 / (2.0 * ((256.0 * 106_168_320) + 28_311_552)), Machine.PrefillRate(BenchShape.S, WeightFormat.Int8, 256), 1e-6);

    [Fact]
    public void TrainRate_IsTwoProductsForwardAndTwoBackward() =>
        Assert.Equal(567e9 / (4.0 * 134_479_872), Machine.TrainRate(BenchShape.S), 1e-6);

    [Fact]
    public void Adapters_HaveTwoSmallFactorsAtEveryLinearMap() =>
        Assert.Equal(4_884_480, RandomAdapter.Parameters(BenchShape.S.Config));
}
