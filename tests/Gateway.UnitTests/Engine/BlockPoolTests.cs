using Gateway.Engine;
using Xunit;

namespace Gateway.UnitTests.Engine;

public sealed class BlockPoolTests
{
    [Fact]
    public void TryTake_MoreThanFree_TakesNone()
    {
        var pool = new BlockPool(3);

        Assert.False(pool.TryTake(new int[4]));
        Assert.Equal(3, pool.Free);
    }

    [Fact]
    public void Return_EverythingTaken_MakesAllBlocksFreeAgain()
    {
        var pool = new BlockPool(5);
        var (first, second) = (new int[3], new int[2]);

        Assert.True(pool.TryTake(first));
        Assert.True(pool.TryTake(second));
        Assert.Equal(5, first.Concat(second).Distinct().Count());
        Assert.Equal(0, pool.Free);
        pool.Return(first);
        pool.Return(second);

        Assert.Equal(5, pool.Free);
    }

    [Fact]
    public void Return_BlockThatWasNotTaken_IsRefused() =>
        Assert.Throws<InvalidOperationException>(() => new BlockPool(2).Return([1]));
}
