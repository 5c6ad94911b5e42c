using Gateway.Model.Numerics;
using Xunit;

namespace Gateway.UnitTests.Model.Numerics;

public sealed class WorkerTeamTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(5)]
    public void Run_DoesEveryChunkExactlyOnce(int threads)
    {
        using var team = new WorkerTeam(threads);
        foreach (int chunks in new[] { 0, 1, 2, 3, 100 })
        {
            for (int round = 0; round < 200; round++)
            {
                int[] done = new int[chunks];
                team.Run(chunks, chunk => Interlocked.Increment(ref done[chunk]));
                Assert.All(done, count => Assert.Equal(1, count));
            }
        }
    }

    [Theory]
    [InlineData(2)]
    [InlineData(4)]
    public void ShortJobsInARow_NeverTakeAChunkOfAnother(int threads)
    {
        using var team = new WorkerTeam(threads);
        int[] owner = new int[32];
        for (int job = 1; job <= 5_000; job++)
        {
            int current = job;
            int chunks = 2 + (job % 30);
            team.Run(chunks, chunk => Assert.True(Interlocked.Exchange(ref owner[chunk], current) < current));
            Assert.All(owner.AsSpan(0, chunks).ToArray(), value => Assert.Equal(current, value));
        }
    }

    [Fact]
    public void Run_ThrowsTheFirstFailure_AndTheTeamGoesOn()
    {
        using var team = new WorkerTeam(3);
        for (int round = 0; round < 50; round++)
        {
            var failure = Assert.Throws<InvalidDataException>(() => team.Run(64, chunk =>
            {
                if (chunk == 40)
                {
                    throw new InvalidDataException("chunk 40");
                }
            }));
            Assert.Equal("chunk 40", failure.Message);
            int done = 0;
            team.Run(64, _ => Interlocked.Increment(ref done));
            Assert.Equal(64, done);
        }
    }

    [Fact]
    public void Run_FromInsideAChunk_IsRefused()
    {
        using var team = new WorkerTeam(2);
        Assert.Throws<InvalidOperationException>(() => team.Run(4, _ => team.Run(2, _ => { })));
    }

    [Fact]
    public void IdleWorkers_Park_AndWakeForTheNextJob()
    {
        using var team = new WorkerTeam(3);
        for (int round = 0; round < 5; round++)
        {
            Assert.True(SpinWait.SpinUntil(() => team.Parked == 2, TimeSpan.FromSeconds(30)));

            // Each chunk waits for the other two, so the job ends only if every worker woke up.
            using var together = new Barrier(3);
            CancellationToken cancellation = TestContext.Current.CancellationToken;
            team.Run(3, _ => together.SignalAndWait(cancellation));
        }
    }

    [Fact]
    public void Run_AllocatesNothing_ForAJobOnTheStack()
    {
        using var compute = new Compute(2);
        using Matrix x = Values.Random(64, 1024, 1);
        unsafe
        {
            compute.Scale(x.Data, 1f, 64 * 1024);
            long before = GC.GetAllocatedBytesForCurrentThread();
            for (int i = 0; i < 100; i++)
            {
                compute.Scale(x.Data, 1f, 64 * 1024);
            }

            Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread());
        }
    }

    [Fact]
    public void Dispose_EndsTheThreads_AndLaterJobsAreRefused()
    {
        var team = new WorkerTeam(4);
        team.Run(8, _ => { });
        team.Dispose();
        team.Dispose();
        Assert.Throws<ObjectDisposedException>(() => team.Run(1, _ => { }));
    }
}
