using Gateway.Model.Numerics;
using Xunit;

namespace Gateway.UnitTests.Model.Numerics;

public sealed class KernelsTests
{
    [Fact]
    public void Choose_WithoutAName_TakesTheFastestAvailable() => Assert.Same(Kernels.Available[^1], Kernels.Choose(null));

    [Fact]
    public void Choose_ByName_IgnoresCase() => Assert.Same(Kernels.Scalar, Kernels.Choose("Scalar"));

    [Fact]
    public void Choose_OfAnUnknownName_SaysWhichExist()
    {
        var failure = Assert.Throws<InvalidOperationException>(() => Kernels.Choose("neon"));
        Assert.Contains("scalar", failure.Message, StringComparison.Ordinal);
    }
}
