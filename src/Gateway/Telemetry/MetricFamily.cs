using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using Gateway.Engine.Measurement;

namespace Gateway.Telemetry;

/// <summary>
/// The series of one instrument. Recording finds the series by its label values and adds to it without a lock; the number of
/// series is bounded, and what comes beyond it is counted under the label value "other".
/// </summary>
internal sealed class MetricFamily(Instrument instrument)
{
    private const int MaximumSeries = 500;
    private static readonly double[] DefaultBounds = [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 50, 250, 1000];
    private readonly ConcurrentDictionary<LabelValues, MetricSeries> _series = new();
    private readonly bool _isHistogram = instrument is Histogram<double> or Histogram<int> or Histogram<long>;
    private string[] _labels = [];

    /// <summary>The name with underscores and its unit, as Prometheus has it.</summary>
    public string Name { get; } = NameOf(instrument);

    /// <summary>What it counts.</summary>
    public string Help => instrument.Description ?? instrument.Name;

    /// <summary>Prometheus' type.</summary>
    public string Type => _isHistogram ? "histogram" : instrument is UpDownCounter<long> ? "gauge" : "counter";

    /// <summary>Names of the labels.</summary>
    public IReadOnlyList<string> Labels => _labels;

    /// <summary>The series.</summary>
    public IEnumerable<KeyValuePair<LabelValues, MetricSeries>> Series => _series;

    /// <summary>Adds a measurement.</summary>
    public void Record(double value, ReadOnlySpan<KeyValuePair<string, object?>> tags)
    {
        var values = new LabelValues(Value(tags, 0), Value(tags, 1), Value(tags, 2));
        if (!_series.TryGetValue(values, out var series))
        {
            series = Add(values, tags);
        }

        series.Add(value);
    }

    private MetricSeries Add(LabelValues values, ReadOnlySpan<KeyValuePair<string, object?>> tags)
    {
        if (_labels.Length != tags.Length)
        {
            var labels = new string[tags.Length];
            for (var i = 0; i < tags.Length; i++)
            {
                labels[i] = tags[i].Key;
            }

            _labels = labels;
        }

        var key = _series.Count < MaximumSeries ? values : LabelValues.Other(tags.Length);
        return _series.GetOrAdd(key, static (_, family) => family.NewSeries(), this);
    }

    private MetricSeries NewSeries() => _isHistogram ? new MetricSeries(new Distribution(Bounds())) : new MetricSeries(null);

    private double[] Bounds() => instrument is Histogram<double> { Advice.HistogramBucketBoundaries: { } advised } ? [.. advised] : DefaultBounds;

    private static string? Value(ReadOnlySpan<KeyValuePair<string, object?>> tags, int index) => index < tags.Length ? tags[index].Value as string : null;

    private static string NameOf(Instrument instrument)
    {
        var name = instrument.Name.Replace('.', '_') + (instrument.Unit switch { "s" => "_seconds", "By" => "_bytes", _ => "" });
        return instrument is Counter<long> or Counter<double> ? name + "_total" : name;
    }
}

/// <summary>The label values of a series; no instrument has more than three labels.</summary>
internal readonly record struct LabelValues(string? First, string? Second, string? Third)
{
    /// <summary>The series of everything beyond the bound.</summary>
    public static LabelValues Other(int labels) => new(labels > 0 ? "other" : null, labels > 1 ? "other" : null, labels > 2 ? "other" : null);

    /// <summary>The value of a label.</summary>
    public string? this[int index] => index switch { 0 => First, 1 => Second, _ => Third };
}

/// <summary>A sum, or a distribution.</summary>
internal sealed class MetricSeries(Distribution? distribution)
{
    private double _sum;

    /// <summary>The values of a histogram, else null.</summary>
    public Distribution? Distribution => distribution;

    /// <summary>The sum of a counter.</summary>
    public double Sum => Volatile.Read(ref _sum);

    /// <summary>Adds a value.</summary>
    public void Add(double value)
    {
        if (distribution is not null)
        {
            distribution.Observe(value);
            return;
        }

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
