using Gateway.Engine.Scheduling;
using Xunit;

namespace Gateway.UnitTests.Engine;

public sealed class SchedulerTests
{
    [Fact]
    public void PlanReplies_ReplyingSequences_GetTheirPendingTokensAndPromptsNone()
    {
        var grants = new int[8];

        var left = Scheduler.PlanReplies([Replying(20), Reading(0, 100), Replying(5), Replying(7, pending: 4)], 100, tokenBudget: 32, grants);

        Assert.Equal([1, 0, 1, 4], grants[..4]);
        Assert.Equal(26, left);
    }

    [Fact]
    public void PlanReplies_MoreForcedTokensThanBudget_EverybodyGetsAtLeastOne()
    {
        var grants = new int[3];

        var left = Scheduler.PlanReplies([Replying(0, pending: 9), Replying(0, pending: 9), Replying(0, pending: 9)], 100, tokenBudget: 4, grants);

        Assert.Equal([2, 1, 1], grants);
        Assert.Equal(0, left);
    }

    [Fact]
    public void PlanReplies_NoFreeBlockForAGrowingReply_TheYoungestGivesWay()
    {
        var grants = new int[8];

        Scheduler.PlanReplies([Replying(16), Replying(32), Replying(7)], freeBlocks: 0, tokenBudget: 256, grants);

        // The third frees one block for the first; the second then finds none and gives its own up.
        Assert.Equal([1, Scheduler.Preempt, Scheduler.Preempt], grants[..3]);
    }

    [Fact]
    public void PlanReplies_SharedBlocks_CountOnlyWhenTheirLastHolderGivesWay()
    {
        var grants = new int[3];

        // The second and third hold three blocks each, two of them together: the third frees one, which the first needs.
        Scheduler.PlanReplies([Replying(16), new SequenceLoad(40, 1, 3, 1), new SequenceLoad(48, 1, 3, 1)], freeBlocks: 0, tokenBudget: 256, grants);

        Assert.Equal([1, 1, Scheduler.Preempt], grants);
    }

    [Fact]
    public void PlanPrompts_SeveralCallers_TheLeastServedGetsTheBudgetAndLeavesTheRest()
    {
        int[] grants = [1, 0, 0, 0];

        Scheduler.PlanPrompts([Replying(20), Reading(0, 100, served: 5), Reading(0, 20, served: 3), Reading(0, 30, served: 5)], 64, grants);

        Assert.Equal([1, 44, 20, 0], grants);
    }

    [Fact]
    public void NextAdmission_ResumingFirstThenLeastServedThenOldest()
    {
        Assert.Equal(-1, Scheduler.NextAdmission([]));
        Assert.Equal(1, Scheduler.NextAdmission([new QueueEntry(5, false), new QueueEntry(3, false), new QueueEntry(3, false)]));
        Assert.Equal(2, Scheduler.NextAdmission([new QueueEntry(5, false), new QueueEntry(3, false), new QueueEntry(9, true)]));
    }

    /// <summary>A simulation over random loads and callers: the budget and the pool hold, everybody ends, callers stay in order.</summary>
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void RandomLoads_EverySequenceEndsAndLimitsHold(int seed)
    {
        var simulation = new SchedulerSimulation(blocks: 20, maximumRunning: 8);
        var random = new Random(seed);
        for (var i = 0; i < 200; i++)
        {
            simulation.Arrive($"caller {random.Next(5)}", random.Next(1, 150), random.Next(1, 150));
        }

        for (var step = 0; simulation.Busy; step++)
        {
            Assert.True(step < 100_000, "some sequence starves.");
            simulation.Step(budget: random.Next(9, 64));
        }

        // A sequence that resumes is not admitted again; among first admissions each caller keeps its order.
        Assert.All(simulation.Admissions.GroupBy(admission => admission.Caller), caller => Assert.Equal(caller.Order(), caller));
    }

    /// <summary>One caller floods, another asks now and then: it waits for what runs, never for the queue.</summary>
    [Fact]
    public void FloodByOneCaller_AnotherIsServedAtItsTurn()
    {
        var simulation = new SchedulerSimulation(blocks: 64, maximumRunning: 4);
        for (var i = 0; i < 500; i++)
        {
            simulation.Arrive("flood", 40, 40);
        }

        for (var round = 0; round < 10; round++)
        {
            for (var step = 0; step < 60; step++)
            {
                simulation.Step(budget: 64);
            }

            simulation.Arrive("guest", 40, 10);
            var before = simulation.Admissions.Count;
            for (var step = 0; simulation.IsActive("guest"); step++)
            {
                Assert.True(step < 100, "the guest waits behind the flood.");
                simulation.Step(budget: 64);
            }

            Assert.Equal("guest", simulation.Admissions[before].Caller);
        }
    }

    /// <summary>Callers who always have work are served alike, whatever the size of their requests (the bound of the virtual token counter).</summary>
    [Fact]
    public void TwoBusyCallers_AreServedAlike()
    {
        var simulation = new SchedulerSimulation(blocks: 200, maximumRunning: 4);
        for (var i = 0; i < 400; i++)
        {
            simulation.Arrive("many small", 10, 10);
        }

        for (var i = 0; i < 40; i++)
        {
            simulation.Arrive("few large", 300, 100);
        }

        for (var step = 0; step < 1500 && simulation.IsActive("many small") && simulation.IsActive("few large"); step++)
        {
            simulation.Step(budget: 64);
            Assert.InRange(Math.Abs(simulation.Served("many small") - simulation.Served("few large")), 0, 2 * 4 * (300 + (2 * 100)));
        }

        Assert.True(simulation.Served("many small") > 1000);
    }

    [Fact]
    public void FairShares_CallerComesBack_IsLiftedToTheLeastActiveOne()
    {
        var shares = new FairShares();
        var (a, b) = (shares.Join("a"), shares.Join("b"));
        (a.Served, b.Served) = (100, 70);
        FairShares.Leave(a);
        Assert.Same(a, shares.Join("a"));
        Assert.Equal(100, a.Served);
        Assert.Equal(70, shares.Join("c").Served);
        FairShares.Leave(b);
        a.Served = 300;
        b.Served = 70;

        // c is active at 70; b comes back at what it had.
        Assert.Equal(70, shares.Join("b").Served);
    }

    [Fact]
    public void FairShares_CallersThatCameAndWent_AreForgotten()
    {
        var shares = new FairShares();
        var stays = shares.Join("stays");
        for (var i = 0; i < 1000; i++)
        {
            stays.Served += 10;
            FairShares.Leave(shares.Join($"guest {i}"));
        }

        Assert.InRange(shares.Count, 1, 3);
    }

    [Fact]
    public void StepCost_SimulatedMachine_KeepsStepsNearTheirTarget()
    {
        // 5 ms and 0.2 ms per reply row; a row of a prompt costs 0.25 ms, later twice as much.
        var cost = new StepCost(64);
        double Seconds(int replies, int prompts, double perPrompt) => (replies == 0 ? 0 : 0.005) + (0.0002 * replies) + (perPrompt * prompts);
        Assert.Equal(256, cost.PromptRows(0, 256));
        Assert.InRange(cost.PromptRows(8, 256), 4, 64);
        cost.Observe(8, 0, Seconds(8, 0, 0));
        foreach (var perPrompt in (double[])[0.00025, 0.0005])
        {
            for (var step = 0; step < 30; step++)
            {
                var rows = cost.PromptRows(8, 256);
                Assert.True(rows % 4 == 0 && rows >= 4);
                cost.Observe(8, rows, Seconds(8, rows, perPrompt));
            }

            var settled = cost.PromptRows(8, 256);
            Assert.InRange(Seconds(8, settled, perPrompt) / Seconds(8, 0, 0), 1.9, 2.45);
        }

        Assert.Equal(12, cost.PromptRows(8, 14));
        Assert.InRange(cost.ReplySeconds(9) / cost.ReplySeconds(8), 1, 1.1);
    }

    private static SequenceLoad Replying(int cached, int pending = 1) => new(cached, pending, Scheduler.BlocksFor(cached), Scheduler.BlocksFor(cached));

    private static SequenceLoad Reading(int cached, int pending, double served = 0) => new(cached, pending, Scheduler.BlocksFor(cached + pending), Scheduler.BlocksFor(cached + pending), served);
}
