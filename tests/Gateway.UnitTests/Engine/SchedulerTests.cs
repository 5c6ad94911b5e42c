using Gateway.Engine.Scheduling;
using Xunit;

namespace Gateway.UnitTests.Engine;

public sealed class SchedulerTests
{
    [Fact]
    public void Plan_DecodingSequences_GetOneTokenAndPromptsTheRest()
    {
        var grants = new int[8];

        var admitted = Scheduler.Plan([Decoding(20), Reading(0, 100), Decoding(5)], [Waiting(50)], 100, tokenBudget: 32, maximumRunning: 8, grants);

        Assert.Equal([1, 30, 1], grants[..3]);
        Assert.Equal(0, admitted);
    }

    [Fact]
    public void Plan_BudgetLeft_AdmitsInOrderAndChunksTheLast()
    {
        var grants = new int[8];

        var admitted = Scheduler.Plan([Decoding(20)], [Waiting(10), Waiting(100), Waiting(1)], 100, tokenBudget: 32, maximumRunning: 8, grants);

        Assert.Equal(2, admitted);
        Assert.Equal([1, 10, 21], grants[..3]);
    }

    [Fact]
    public void Plan_HeadOfTheQueueDoesNotFit_NobodyOvertakesIt()
    {
        var admitted = Scheduler.Plan([], [Waiting(100), Waiting(1)], freeBlocks: 3, tokenBudget: 256, maximumRunning: 8, new int[8]);

        Assert.Equal(0, admitted);
    }

    [Fact]
    public void Plan_NoFreeBlockForAGrowingReply_TheYoungestGivesWay()
    {
        var grants = new int[8];

        var admitted = Scheduler.Plan([Decoding(16), Decoding(32), Decoding(7)], [Waiting(1)], freeBlocks: 0, tokenBudget: 256, maximumRunning: 8, grants);

        // The third frees one block for the first; the second then finds none and gives its own up.
        Assert.Equal([1, Scheduler.Preempt, Scheduler.Preempt], grants[..3]);
        Assert.Equal(0, admitted);
    }

    /// <summary>A simulation over random loads: the budget and the pool hold, and everybody ends in bounded time.</summary>
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void Plan_RandomLoads_EverySequenceEndsAndLimitsHold(int seed)
    {
        var random = new Random(seed);
        const int blocks = 20;
        var waiting = new List<Simulated>();
        var running = new List<Simulated>();
        for (var i = 0; i < 200; i++)
        {
            waiting.Add(new Simulated(random.Next(1, 150), random.Next(1, 150)));
        }

        for (var step = 0; running.Count + waiting.Count > 0; step++)
        {
            Assert.True(step < 100_000, "some sequence starves.");
            var (budget, maximum) = (random.Next(9, 64), 8);
            var free = blocks - running.Sum(s => s.Blocks);
            Assert.InRange(free, 0, blocks);
            var grants = new int[maximum];
            var admitted = Scheduler.Plan([.. running.Select(s => s.Load)], [.. waiting.Take(maximum).Select(s => s.Load)], free, budget, maximum, grants);

            Assert.InRange(grants.Where(g => g > 0).Sum(), 1, budget);
            Assert.InRange(running.Count + admitted, 1, maximum);
            while (running.Count > 0 && grants[running.Count - 1] == Scheduler.Preempt)
            {
                running[^1].Cached = running[^1].Blocks = 0;
                waiting.Insert(0, running[^1]);
                running.RemoveAt(running.Count - 1);
                Assert.Equal(0, admitted);
            }

            for (var i = 0; i < admitted; i++)
            {
                waiting[0].Blocks = Scheduler.BlocksFor(waiting[0].Length);
                running.Add(waiting[0]);
                waiting.RemoveAt(0);
            }

            for (var i = running.Count - 1; i >= 0; i--)
            {
                if (running[i].Process(grants[i]))
                {
                    running.RemoveAt(i);
                }
            }
        }
    }

    private static SequenceLoad Decoding(int cached) => new(cached, 1, Scheduler.BlocksFor(cached));

    private static SequenceLoad Reading(int cached, int pending) => new(cached, pending, Scheduler.BlocksFor(cached + pending));

    private static SequenceLoad Waiting(int pending) => new(0, pending, 0);

    private sealed class Simulated(int prompt, int reply)
    {
        private readonly int _end = prompt + reply;

        public int Cached { get; set; }

        public int Blocks { get; set; }

        public int Length { get; private set; } = prompt;

        public SequenceLoad Load => new(Cached, Length - Cached, Blocks);

        public bool Process(int tokens)
        {
            Cached += tokens;
            Blocks = Math.Max(Blocks, Scheduler.BlocksFor(Cached));
            if (tokens > 0 && Cached == Length)
            {
                Length++;
            }

            return Length == _end;
        }
    }
}
