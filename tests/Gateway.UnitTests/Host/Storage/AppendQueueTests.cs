using Gateway.Storage;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Gateway.UnitTests.Host.Storage;

public sealed class AppendQueueTests
{
    private readonly List<int> written = [];
    private readonly TaskCompletionSource firstFailure = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private volatile bool broken;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task FailingWrites_ReachAppendersAndFlushers_AndNothingAcceptedIsLost()
    {
        await using var queue = new AppendQueue<int>(WriteAsync, TimeProvider.System, NullLogger.Instance);
        await queue.AppendAsync(1, Token);
        await queue.FlushAsync(Token);

        broken = true;
        await queue.AppendAsync(2, Token);
        await Assert.ThrowsAsync<StoreUnavailableException>(() => queue.FlushAsync(Token).AsTask());
        var failure = await Assert.ThrowsAsync<StoreUnavailableException>(() => queue.AppendAsync(3, Token).AsTask());
        Assert.Contains("no space left", failure.Message, StringComparison.Ordinal);

        broken = false;
        while (await TryAppendAsync(queue, 4) is false)
        {
            await Task.Delay(10, Token);
        }

        await queue.FlushAsync(Token);
        Assert.Equal([1, 2, 4], written);
    }

    [Fact]
    public async Task FailingWrites_ReleaseAppendersThatWaitForRoom()
    {
        broken = true;
        await using var queue = new AppendQueue<int>(WriteAsync, TimeProvider.System, NullLogger.Instance);
        await queue.AppendAsync(0, Token);
        await firstFailure.Task;
        await Assert.ThrowsAsync<StoreUnavailableException>(async () =>
        {
            for (var i = 1; ; i++)
            {
                await queue.AppendAsync(i, Token);
            }
        });
    }

    [Fact]
    public async Task Dispose_WritesWhatIsQueued()
    {
        var queue = new AppendQueue<int>(WriteAsync, TimeProvider.System, NullLogger.Instance);
        for (var i = 0; i < 3000; i++)
        {
            await queue.AppendAsync(i, Token);
        }

        await queue.DisposeAsync();
        Assert.Equal(Enumerable.Range(0, 3000), written);
        await Assert.ThrowsAsync<ObjectDisposedException>(() => queue.AppendAsync(1, Token).AsTask());
    }

    private static async Task<bool> TryAppendAsync(AppendQueue<int> queue, int record)
    {
        try
        {
            await queue.AppendAsync(record, Token);
            return true;
        }
        catch (StoreUnavailableException)
        {
            return false;
        }
    }

    private Task WriteAsync(IReadOnlyList<int> group)
    {
        if (broken)
        {
            firstFailure.TrySetResult();
            throw new IOException("no space left on device");
        }

        written.AddRange(group);
        return Task.CompletedTask;
    }
}
