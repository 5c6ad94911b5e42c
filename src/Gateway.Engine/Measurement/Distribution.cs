namespace Gateway.Engine.Measurement;

/// <summary>How often values fell between fixed bounds, and their sum. Thread-safe, without locks or allocations.</summary>
public sealed class Distribution
{
    private readonly double[] _bounds;
    private readonly long[] _counts;
    private double _sum;

    /// <summary>An empty distribution.</summary>
    /// <param name="bounds">Upper bounds, included, rising.</param>
    public Distribution(params ReadOnlySpan<double> bounds)
    {
        _bounds = bounds.ToArray();
        _counts = new long[bounds.Length + 1];
    }

    /// <summary>The upper bounds, included.</summary>
    public ReadOnlySpan<double> Bounds => _bounds;

    /// <summary>Sum of all values.</summary>
    public double Sum => Volatile.Read(ref _sum);

    /// <summary>Values at most at bound <paramref name="index"/> and above the one before; the last count is of those above all bounds.</summary>
    public long CountAt(int index) => Volatile.Read(ref _counts[index]);

    /// <summary>Adds a value.</summary>
    public void Observe(double value)
    {
        var index = 0;
        while (index < _bounds.Length && value > _bounds[index])
        {
            index++;
        }

        Interlocked.Increment(ref _counts[index]);
        var before = Volatile.Read(ref _sum);
        while (true)
        {
            var seen = Interlocked.CompareExchange(ref _sum, before + value, before);
            if (seen.Equals(before))
            {
                return;
            }

            before = seen;
        }
    }
}
