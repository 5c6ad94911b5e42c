using System.Globalization;
using System.Text;
using Gateway.Engine.Measurement;

namespace Gateway.Telemetry;

/// <summary>Writes metrics in the Prometheus text format.</summary>
internal sealed class PrometheusText
{
    /// <summary>The format's media type.</summary>
    public const string ContentType = "text/plain; version=0.0.4";

    private readonly StringBuilder _text = new();

    /// <summary>Begins a family; its series follow.</summary>
    public void Family(string name, string type, string help) =>
        _text.Append(CultureInfo.InvariantCulture, $"# HELP {name} {help}\n# TYPE {name} {type}\n");

    /// <summary>One value.</summary>
    public void Value(string name, double value, params ReadOnlySpan<(string Name, string? Value)> labels) => Line(name, value, labels, bound: null);

    /// <summary>A family of one series.</summary>
    public void Single(string name, string type, string help, double value, params ReadOnlySpan<(string Name, string? Value)> labels)
    {
        Family(name, type, help);
        Value(name, value, labels);
    }

    /// <summary>The buckets, sum and count of a distribution.</summary>
    public void Buckets(string name, Distribution distribution, params ReadOnlySpan<(string Name, string? Value)> labels)
    {
        long count = 0;
        for (var i = 0; i <= distribution.Bounds.Length; i++)
        {
            count += distribution.CountAt(i);
            Line(name + "_bucket", count, labels, i < distribution.Bounds.Length ? distribution.Bounds[i].ToString(CultureInfo.InvariantCulture) : "+Inf");
        }

        Line(name + "_sum", distribution.Sum, labels, bound: null);
        Line(name + "_count", count, labels, bound: null);
    }

    /// <summary>Everything that a collector has.</summary>
    public void Families(MetricCollector collector)
    {
        foreach (var family in collector.Families)
        {
            Family(family.Name, family.Type, family.Help);
            foreach (var (values, series) in family.Series)
            {
                var labels = family.Labels.Select((label, index) => (label, values[index])).ToArray();
                if (series.Distribution is { } distribution)
                {
                    Buckets(family.Name, distribution, labels);
                }
                else
                {
                    Value(family.Name, series.Sum, labels);
                }
            }
        }
    }

    /// <summary>The text so far as a response.</summary>
    public IResult ToResult() => Results.Text(_text.ToString(), ContentType, Encoding.UTF8);

    private void Line(string name, double value, ReadOnlySpan<(string Name, string? Value)> labels, string? bound)
    {
        _text.Append(name);
        var separator = '{';
        foreach (var (label, text) in labels)
        {
            Label(ref separator, label, text ?? "");
        }

        if (bound is not null)
        {
            Label(ref separator, "le", bound);
        }

        _text.Append(separator == '{' ? " " : "} ").Append(Number(value)).Append('\n');
    }

    private void Label(ref char separator, string name, string value)
    {
        _text.Append(separator).Append(name).Append("=\"");
        foreach (var c in value)
        {
            _ = c switch
            {
                '\\' => _text.Append("\\\\"),
                '"' => _text.Append("\\\""),
                '\n' => _text.Append("\\n"),
                _ => _text.Append(c),
            };
        }

        _text.Append('"');
        separator = ',';
    }

    private static string Number(double value) => double.IsPositiveInfinity(value) ? "+Inf" : value.ToString(CultureInfo.InvariantCulture);
}
