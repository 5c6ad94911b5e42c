using System.Threading.Channels;
using Gateway.Worker;
using Xunit;

namespace Gateway.UnitTests.Host.Worker;

public sealed class KeepAliveTests
{
    [Fact]
    public async Task WaitAsync_NothingComes_PingsAgainAndAgainAndThenGivesTheItem()
    {
        var items = Channel.CreateUnbounded<int>();
        var pings = Channel.CreateUnbounded<int>();

        var waiting = KeepAlive.WaitAsync(items.Reader, TimeSpan.FromMilliseconds(1), TimeProvider.System, () => pings.Writer.WriteAsync(1), TestContext.Current.CancellationToken).AsTask();
        await pings.Reader.ReadAsync(TestContext.Current.CancellationToken);
        await pings.Reader.ReadAsync(TestContext.Current.CancellationToken);

        await items.Writer.WriteAsync(1, TestContext.Current.CancellationToken);
        Assert.True(await waiting);
    }
}
