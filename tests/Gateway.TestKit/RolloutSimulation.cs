using Gateway.Domain.Rollouts;
using Xunit;

namespace Gateway.TestKit;

/// <summary>How one guardrail's pairs fall: probabilities that the candidate loses and wins a pair.</summary>
public sealed record SimulatedGuardrail(double SafeMargin, double Lose, double Win)
{
    /// <summary>Pairs of independent arms with these rates of good outcomes.</summary>
    public static SimulatedGuardrail Arms(double safeMargin, double control, double candidate) =>
        new(safeMargin, control * (1 - candidate), (1 - control) * candidate);

    /// <summary>Pairs on the same prompts: a share of discordant ones and the mean difference.</summary>
    public static SimulatedGuardrail Paired(double safeMargin, double discordance, double effect) =>
        new(safeMargin, (discordance - effect) / 2, (discordance + effect) / 2);
}

/// <summary>One row of the operating characteristics, with the published figures (10,000 runs) to compare with.</summary>
public sealed record SimulationRow(
    string Name, IReadOnlyList<SimulatedGuardrail> Guardrails, int Cap, double HarmError, double SafeError,
    double Rollback, double Promote, int Median, int P90);

/// <summary>What a simulation found: shares of verdicts, and the pairs used by each run, sorted.</summary>
public sealed record SimulationResult(double Rollback, double Promote, double Inconclusive, IReadOnlyList<int> Pairs);

/// <summary>
/// Runs the sequential tests on simulated pairs. Seeded: the same row, runs and seed give the same figures on any machine and
/// any number of cores.
/// </summary>
public static class RolloutSimulation
{
    private const int MinimumPairs = 30;

    /// <summary>The table for three guardrails (schema, latency objective, quality).</summary>
    public static IReadOnlyList<SimulationRow> ThreeGuardrails { get; } =
    [
        Three("equal, no correction", .98, .95, .90, .05, .05, .057, .943, 1095, 1884),
        Three("equal", .98, .95, .90, .05 / 3, .05, .020, .980, 1125, 1920),
        Three("equal, both corrected", .98, .95, .90, .05 / 3, .05 / 3, .022, .977, 1459, 2348),
        Three("schema at margin", .96, .95, .90, .05 / 3, .05, .971, .022, 1274, 2585),
        Three("latency at margin", .98, .92, .90, .05 / 3, .05, .971, .026, 1183, 2459),
        Three("quality 0.80", .98, .95, .80, .05 / 3, .05, 1, 0, 236, 474),
        Three("schema 0.90", .90, .95, .90, .05 / 3, .05, 1, 0, 178, 313),
        Three("all slightly better", .99, .96, .93, .05 / 3, .05, .0005, .9995, 493, 866),
    ];

    /// <summary>The tables for one guardrail: independent arms, then paired replay of the same prompts.</summary>
    public static IReadOnlyList<SimulationRow> OneGuardrail { get; } =
    [
        One(.90, .90, .03, 4000, .030, .942, 1262, 3003),
        One(.90, .90, .05, 3000, .024, .976, 463, 1071),
        One(.95, .95, .03, 4000, .023, .977, 702, 1598),
        One(.95, .95, .02, 6000, .027, .967, 1489, 3493),
        One(.98, .98, .02, 4000, .017, .983, 728, 1565),
        One(.99, .99, .01, 6000, .015, .984, 1463, 3139),
        One(.80, .80, .05, 4000, .029, .971, 805, 1944),
        One(.90, .93, .03, 3000, .0004, .9996, 297, 658),
        One(.90, .91, .03, 4000, .007, .993, 705, 1636),
        One(.90, .89, .03, 4000, .160, .606, 2383, 4000),
        One(.90, .87, .03, 4000, .918, .028, 1382, 3394),
        One(.95, .92, .03, 4000, .973, .026, 835, 1995),
        One(.90, .85, .03, 3000, .996, .003, 559, 1335),
        One(.90, .80, .03, 3000, 1, 0, 171, 387),
        One(.95, .85, .03, 2000, 1, 0, 129, 270),
        One(.90, .60, .03, 2000, 1, 0, 37, 63),
        Replay(.18, 0, .03, .026, .941, 1268, 3061),
        Replay(.10, 0, .03, .023, .977, 739, 1708),
        Replay(.06, 0, .03, .019, .981, 479, 1054),
        Replay(.04, .02, .02, 0, 1, 253, 427),
        Replay(.06, -.04, .03, .999, .001, 287, 525),
        Replay(.06, -.03, .03, .983, .017, 444, 942),
    ];

    /// <summary>Simulates <paramref name="row"/>.</summary>
    public static SimulationResult Run(SimulationRow row, int runs, ulong seed)
    {
        var verdicts = new RolloutVerdict[runs];
        var pairs = new int[runs];
        Parallel.For(0, runs, run =>
            (verdicts[run], pairs[run]) = RunOnce(row, new SplitMix64((seed * 0x9E3779B97F4A7C15) ^ ((ulong)run * 0xD1B54A32D192ED03))));
        Array.Sort(pairs);
        return new(Share(RolloutVerdict.RollbackHarm), Share(RolloutVerdict.Promote), Share(RolloutVerdict.Inconclusive), pairs);

        double Share(RolloutVerdict verdict) => verdicts.Count(v => v == verdict) / (double)runs;
    }

    /// <summary>
    /// Fails unless every figure of <paramref name="result"/> is within three standard errors of the published one, which has
    /// an error of its own. Quantiles are compared through the ranks that surround them, free of any distribution.
    /// </summary>
    public static void AssertReproduces(SimulationRow row, SimulationResult result)
    {
        AssertShare("rollback", row.Rollback, result.Rollback);
        AssertShare("promote", row.Promote, result.Promote);
        AssertShare("inconclusive", Math.Max(0, 1 - row.Rollback - row.Promote), result.Inconclusive);
        AssertQuantile("median", row.Median, 0.5);
        AssertQuantile("p90", row.P90, 0.9);

        void AssertShare(string what, double published, double found)
        {
            // A published 0 or 1 means "not seen in 10,000", not certainty, and the printed figures are rounded.
            var p = Math.Clamp(published, 0.001, 0.999);
            var tolerance = (3 * StandardError(p)) + 0.0005;
            Assert.True(Math.Abs(found - published) <= tolerance, $"{row.Name}: {what} {found}, published {published} ± {tolerance:0.0000}");
        }

        void AssertQuantile(string what, int published, double quantile)
        {
            var reach = 3 * StandardError(quantile);
            var low = At(quantile - reach);
            var high = At(quantile + reach);
            Assert.True(published >= low && published <= high, $"{row.Name}: {what} within {low}–{high}, published {published}");
        }

        int At(double quantile) => result.Pairs[Math.Clamp((int)(quantile * result.Pairs.Count), 0, result.Pairs.Count - 1)];

        double StandardError(double p) => Math.Sqrt(p * (1 - p) * ((1.0 / result.Pairs.Count) + (1.0 / 10_000)));
    }

    private static (RolloutVerdict Verdict, int Pairs) RunOnce(SimulationRow row, SplitMix64 random)
    {
        var tests = row.Guardrails.Select(g => new SequentialTest(new Guardrail("simulated", 0, g.SafeMargin))).ToArray();
        var counts = new PairCounts[tests.Length];
        var safe = new bool[tests.Length];
        var harmThreshold = Math.Log(1 / row.HarmError);
        var safeThreshold = Math.Log(1 / row.SafeError);
        for (var n = 1; n <= row.Cap; n++)
        {
            var harm = false;
            for (var g = 0; g < tests.Length; g++)
            {
                var draw = random.NextDouble();
                var guardrail = row.Guardrails[g];
                counts[g] = draw < guardrail.Lose ? counts[g].Add(candidate: false, control: true)
                    : draw < guardrail.Lose + guardrail.Win ? counts[g].Add(candidate: true, control: false)
                    : counts[g].Add(candidate: true, control: true);
                harm |= tests[g].HarmReaches(harmThreshold, counts[g]);
                safe[g] = safe[g] || (n >= MinimumPairs && tests[g].SafeReaches(safeThreshold, counts[g]));
            }

            if (harm)
            {
                return (RolloutVerdict.RollbackHarm, n);
            }

            if (Array.TrueForAll(safe, s => s))
            {
                return (RolloutVerdict.Promote, n);
            }
        }

        return (RolloutVerdict.Inconclusive, row.Cap);
    }

    private static SimulationRow Three(
        string name, double schema, double latency, double quality, double harmError, double safeError,
        double rollback, double promote, int median, int p90) => new(
        $"three guardrails, {name}",
        [
            SimulatedGuardrail.Arms(.02, .98, schema), SimulatedGuardrail.Arms(.03, .95, latency), SimulatedGuardrail.Arms(.05, .90, quality),
        ],
        4000, harmError, safeError, rollback, promote, median, p90);

    private static SimulationRow One(
        double control, double candidate, double safeMargin, int cap, double rollback, double promote, int median, int p90) => new(
        FormattableString.Invariant($"arms {control} → {candidate}, margin {safeMargin}, cap {cap}"),
        [SimulatedGuardrail.Arms(safeMargin, control, candidate)], cap, .05, .05, rollback, promote, median, p90);

    private static SimulationRow Replay(
        double discordance, double effect, double safeMargin, double rollback, double promote, int median, int p90) => new(
        FormattableString.Invariant($"paired, discordance {discordance}, effect {effect}"),
        [SimulatedGuardrail.Paired(safeMargin, discordance, effect)], 4000, .05, .05, rollback, promote, median, p90);
}
