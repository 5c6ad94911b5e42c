using Gateway.Engine;
using Xunit;

namespace Gateway.UnitTests.Engine;

public sealed class GenerationStreamTests
{
    [Fact]
    public async Task ReadAllAsync_WriterOnAnotherThread_SeesEveryTokenOnceAndThenTheEnd()
    {
        for (var round = 0; round < 200; round++)
        {
            var stream = new GenerationStream(50, () => { });
            var writing = Task.Run(() =>
            {
                for (var token = 0; token < 50; token++)
                {
                    stream.Write(token);
                }

                stream.End(FinishReason.Length, 50, null);
            }, TestContext.Current.CancellationToken);

            var events = new List<GenerationEvent>();
            await foreach (var item in stream.ReadAllAsync(TestContext.Current.CancellationToken))
            {
                events.Add(item);
            }

            await writing;
            Assert.Equal(51, events.Count);
            Assert.Equal(Enumerable.Range(0, 50), events.Take(50).Select(item => item.Token));
            Assert.Equal(new GenerationEvent(-1, FinishReason.Length, 50, null), events[50]);
        }
    }

    [Fact]
    public void Write_WithoutReader_AllocatesNothing()
    {
        var stream = new GenerationStream(100, () => { });
        stream.Write(0);

        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var token = 1; token < 100; token++)
        {
            stream.Write(token);
        }

        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
    }
}
