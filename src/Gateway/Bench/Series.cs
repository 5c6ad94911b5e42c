namespace Gateway.Bench;

/// <summary>A figure that is measured again in every round, in turn with others.</summary>
/// <param name="label">What progress shows.</param>
/// <param name="measure">Measures it once.</param>
internal sealed class Series(string label, Func<Task<double>> measure)
{
    private readonly List<double> _values = [];

    /// <summary>What progress shows.</summary>
    public string Label => label;

    /// <summary>One value per round.</summary>
    public IReadOnlyList<double> Values => _values;

    /// <summary>The middle value.</summary>
    public double Median => MedianOf(_values);

    /// <summary>The middle of what <paramref name="combine"/> makes of this and another series, round by round: disturbances hit both.</summary>
    public double MedianWith(Series other, Func<double, double, double> combine) => MedianOf([.. _values.Zip(other._values, combine)]);

    /// <summary>
    /// Measures all series in turn, round after round. A round before the first is not kept: it compiles the code, fills caches
    /// and wakes the processor.
    /// </summary>
    public static async Task AlternateAsync(IReadOnlyList<Series> all, int rounds, BenchProgress progress, CancellationToken cancellationToken)
    {
        for (var round = 0; round <= rounds; round++)
        {
            // There and back again: nothing always comes right after the same neighbour.
            foreach (var series in round % 2 == 0 ? all : all.Reverse())
            {
                cancellationToken.ThrowIfCancellationRequested();
                progress.Measuring(series.Label);
                var value = await series.MeasureAsync().ConfigureAwait(false);
                if (round > 0)
                {
                    series._values.Add(value);
                }

                progress.Advance();
            }
        }
    }

    /// <summary>The middle value of a list; the mean of the two middle ones when their number is even.</summary>
    public static double MedianOf(IReadOnlyCollection<double> values)
    {
        var sorted = values.Order().ToList();
        return (sorted[(sorted.Count - 1) / 2] + sorted[sorted.Count / 2]) / 2;
    }

    /// <summary>The value that <paramref name="share"/> of the values do not exceed (nearest rank).</summary>
    public static double QuantileOf(IReadOnlyCollection<double> values, double share)
    {
        var sorted = values.Order().ToList();
        return sorted[Math.Clamp((int)Math.Ceiling(share * sorted.Count) - 1, 0, sorted.Count - 1)];
    }

    private Task<double> MeasureAsync() => measure();
}
