namespace Gateway.Domain.Rollouts;

/// <summary>
/// The two betting e-processes of one guardrail (Waudby-Smith and Ramdas, "Estimating means of bounded random variables by
/// betting"). Wealth starts at 1, is a nonnegative supermartingale under its null hypothesis, and so exceeds 1/α with
/// probability at most α however often it is read. Immutable and thread-safe.
/// </summary>
public sealed class SequentialTest
{
    // Bets are fixed before any data: a bet that looks at the pair it bets on would void the guarantee.
    private static readonly double[] Bets = [0.02, 0.05, 0.1, 0.2, 0.35, 0.6];

    private readonly double[] _harm;
    private readonly double[] _safe;

    /// <summary>Prepares the log factors of every bet for the margins of <paramref name="guardrail"/>.</summary>
    public SequentialTest(Guardrail guardrail)
    {
        _harm = LogFactors(d => -(d + guardrail.HarmMargin) / (1 + guardrail.HarmMargin));
        _safe = LogFactors(d => (d + guardrail.SafeMargin) / (1 + guardrail.SafeMargin));
    }

    /// <summary>The bets Λ.</summary>
    public static IReadOnlyList<double> Grid => Bets;

    /// <summary>Log wealth against "the candidate is not worse than the control by more than the harm margin".</summary>
    public double LogHarm(PairCounts pairs) => LogMean(_harm, pairs);

    /// <summary>Log wealth against "the candidate is worse than the control by the safe margin or more".</summary>
    public double LogSafe(PairCounts pairs) => LogMean(_safe, pairs);

    /// <summary>True when <see cref="LogHarm"/> is at least <paramref name="threshold"/>; cheap when it is not.</summary>
    public bool HarmReaches(double threshold, PairCounts pairs) => Reaches(_harm, threshold, pairs);

    /// <summary>True when <see cref="LogSafe"/> is at least <paramref name="threshold"/>; cheap when it is not.</summary>
    public bool SafeReaches(double threshold, PairCounts pairs) => Reaches(_safe, threshold, pairs);

    /// <summary>
    /// An anytime-valid interval for the mean of candidate − control: every mean that neither one-sided process rejects at
    /// <paramref name="error"/>/2.
    /// </summary>
    public static (double Low, double High) Interval(PairCounts pairs, double error = 0.05)
    {
        var threshold = Math.Log(2 / error);
        var low = Bisect(mean => LogMean(LogFactors(d => (d - mean) / (1 + Math.Abs(mean))), pairs) >= threshold);
        var high = -Bisect(mean => LogMean(LogFactors(d => (-d - mean) / (1 + Math.Abs(mean))), pairs) >= threshold);
        return (low, high);
    }

    // Row i holds log1p(bet·x(d)) of bet i for d = −1, 0, +1.
    private static double[] LogFactors(Func<double, double> x)
    {
        var factors = new double[Bets.Length * 3];
        for (var bet = 0; bet < Bets.Length; bet++)
        {
            for (var d = -1; d <= 1; d++)
            {
                factors[(bet * 3) + d + 1] = Log1P(Bets[bet] * x(d));
            }
        }

        return factors;
    }

    private static double LogWealth(double[] factors, int bet, PairCounts pairs) =>
        (pairs.Lost * factors[bet * 3]) + (pairs.Tied * factors[(bet * 3) + 1]) + (pairs.Won * factors[(bet * 3) + 2]);

    private static double Largest(double[] factors, PairCounts pairs)
    {
        var largest = double.NegativeInfinity;
        for (var bet = 0; bet < Bets.Length; bet++)
        {
            largest = Math.Max(largest, LogWealth(factors, bet, pairs));
        }

        return largest;
    }

    private static double LogMean(double[] factors, PairCounts pairs)
    {
        var largest = Largest(factors, pairs);
        var sum = 0.0;
        for (var bet = 0; bet < Bets.Length; bet++)
        {
            sum += Math.Exp(LogWealth(factors, bet, pairs) - largest);
        }

        return largest + Math.Log(sum / Bets.Length);
    }

    // The mean never exceeds the largest, so most reads need no exponential.
    private static bool Reaches(double[] factors, double threshold, PairCounts pairs) =>
        Largest(factors, pairs) >= threshold && LogMean(factors, pairs) >= threshold;

    // The largest mean in [−1, 1] that is still rejected; rejection is monotone in the mean.
    private static double Bisect(Func<double, bool> rejected)
    {
        if (!rejected(-1))
        {
            return -1;
        }

        double low = -1, high = 1;
        for (var i = 0; i < 50; i++)
        {
            var middle = (low + high) / 2;
            (low, high) = rejected(middle) ? (middle, high) : (low, middle);
        }

        return low;
    }

    // Keeps the digits that 1 + x loses for small x (Kahan).
    private static double Log1P(double x)
    {
        var sum = 1 + x;
        return sum == 1 ? x : Math.Log(sum) * x / (sum - 1);
    }
}
