namespace Gateway.Training.Evaluation;

/// <summary>An estimate with its 95 % interval and the number of items behind it.</summary>
public sealed record Interval(double Value, double Low, double High, int N)
{
    private const double Z = 1.959963984540054;

    /// <summary>Wilson's score interval of a proportion.</summary>
    public static Interval Proportion(int successes, int n)
    {
        if (n == 0)
        {
            return new Interval(0, 0, 1, 0);
        }

        var p = (double)successes / n;
        var denominator = 1 + (Z * Z / n);
        var centre = (p + (Z * Z / (2 * n))) / denominator;
        var half = Z / denominator * Math.Sqrt((p * (1 - p) / n) + (Z * Z / (4.0 * n * n)));
        return new Interval(p, Math.Max(0, centre - half), Math.Min(1, centre + half), n);
    }

    /// <summary>
    /// Percentile bootstrap of the mean of paired differences, one per item; seeded, so the same differences give the same
    /// interval.
    /// </summary>
    public static Interval PairedDifference(ReadOnlySpan<double> differences, int seed = 1, int resamples = 10_000)
    {
        if (differences.IsEmpty)
        {
            return new Interval(0, double.NegativeInfinity, double.PositiveInfinity, 0);
        }

        var random = new Random(seed);
        var means = new double[resamples];
        var total = 0.0;
        foreach (var difference in differences)
        {
            total += difference;
        }

        for (var r = 0; r < resamples; r++)
        {
            var sum = 0.0;
            for (var i = 0; i < differences.Length; i++)
            {
                sum += differences[random.Next(differences.Length)];
            }

            means[r] = sum / differences.Length;
        }

        Array.Sort(means);
        return new Interval(
            total / differences.Length, means[(int)(0.025 * (resamples - 1))], means[(int)Math.Ceiling(0.975 * (resamples - 1))], differences.Length);
    }
}
