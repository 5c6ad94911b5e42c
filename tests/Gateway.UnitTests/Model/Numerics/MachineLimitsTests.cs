using Gateway.Model.Numerics;
using Xunit;

namespace Gateway.UnitTests.Model.Numerics;

public sealed class MachineLimitsTests
{
    [Fact]
    public void Clock_IsThatOfAProcessor() => Assert.InRange(MachineLimits.MeasureClock(), 0.1e9, 10e9);

    [Fact]
    public void FmaPeak_StaysBelowWhatTheClockAllows() =>
        Assert.InRange(MachineLimits.MeasureFmaPeak(1), 1e6, 2 * 2 * 16 * 10e9);

    [Fact]
    public void Int8Peak_StaysBelowWhatTheClockAllows() =>
        Assert.InRange(MachineLimits.MeasureInt8Peak(1), 1e6, 2 * 2 * 64 * 10e9);

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void Read_GivesARate(int threads)
    {
        using var buffer = new ReadBuffer(32 << 20);

        Assert.InRange(MachineLimits.MeasureRead(threads, buffer), 1e6, 1e13);
    }

    [Fact]
    public void Read_OfABufferTooSmallForItsThreads_IsRefused()
    {
        using var buffer = new ReadBuffer(2 << 20);

        Assert.Throws<ArgumentOutOfRangeException>(() => MachineLimits.MeasureRead(2, buffer));
    }
}
