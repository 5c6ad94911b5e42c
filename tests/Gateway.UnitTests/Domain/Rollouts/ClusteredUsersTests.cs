using Gateway.Domain.Interactions;
using Gateway.Domain.Rollouts;
using Gateway.TestKit;
using Xunit;

namespace Gateway.UnitTests.Domain.Rollouts;

/// <summary>
/// Identical arms, Zipf(1) activity, success rates of users Beta(1.8, 0.2), through assignment and <see cref="Rollout"/>: one
/// outcome per user keeps the error budget, one per request does not.
/// </summary>
public class ClusteredUsersTests
{
    private const int Users = 1000;
    private const int Runs = 100;

    [Fact]
    public void OneOutcomePerUser_KeepsTheErrorBudget() => Assert.InRange(FalseRollbacks(perRequest: false), 0, 0.05 + (3 * 0.022));

    [Fact]
    public void OneOutcomePerRequest_WouldNot() => Assert.True(FalseRollbacks(perRequest: true) > 0.2);

    private static double FalseRollbacks(bool perRequest)
    {
        var cumulative = new double[Users];
        for (var i = 0; i < Users; i++)
        {
            cumulative[i] = (i == 0 ? 0 : cumulative[i - 1]) + (1.0 / (i + 1));
        }

        var rolledBack = 0;
        Parallel.For(0, Runs, run =>
        {
            if (RollsBack(run, perRequest, cumulative))
            {
                Interlocked.Increment(ref rolledBack);
            }
        });
        return rolledBack / (double)Runs;
    }

    private static bool RollsBack(int run, bool perRequest, double[] cumulative)
    {
        var random = new SplitMix64((ulong)run * 104729);
        var rollout = Rollout.Start(
            $"ro_{run}", "m", "a", "b", "salt", [new Guardrail("quality", 0, 0.001)], new RolloutOptions { Ramp = [0.5], MaximumPairs = 3000 }, default);
        var arms = new Arm[Users];
        var rates = new double[Users];
        var hashes = new string[Users];
        for (var user = 0; user < Users; user++)
        {
            arms[user] = Assignment.ArmOf(rollout, $"user {user}");
            rates[user] = NextBeta(ref random, 1.8, 0.2);
            hashes[user] = Assignment.UnitHash($"user {user}");
        }

        var now = default(DateTimeOffset);
        for (var batch = 0; batch < 60 && !rollout.Ended; batch++)
        {
            var outcomes = new List<Outcome>(100);
            for (var i = 0; i < 100; i++)
            {
                var place = Array.BinarySearch(cumulative, random.NextDouble() * cumulative[^1]);
                var user = place < 0 ? ~place : place;
                var unit = perRequest ? Assignment.UnitHash($"request {batch}/{i}") : hashes[user];
                outcomes.Add(new Outcome(unit, arms[user], [random.NextBool(rates[user])]));
            }

            rollout = rollout.Advance(outcomes, now = now.AddMinutes(1));
        }

        return rollout.Verdict == RolloutVerdict.RollbackHarm;
    }

    // Jöhnk's method.
    private static double NextBeta(ref SplitMix64 random, double a, double b)
    {
        while (true)
        {
            var x = Math.Pow(random.NextDouble(), 1 / a);
            var y = Math.Pow(random.NextDouble(), 1 / b);
            if (x + y is > 0 and <= 1)
            {
                return x / (x + y);
            }
        }
    }
}
