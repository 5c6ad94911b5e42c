using System.Diagnostics.Metrics;

namespace Gateway.Telemetry;

/// <summary>Listens to the gateway's own meters and keeps what <c>/metrics</c> shows. Thread-safe.</summary>
internal sealed class MetricCollector : IDisposable
{
    private readonly MeterListener _listener = new();
    private readonly Lock _gate = new();
    private readonly List<MetricFamily> _families = [];

    /// <summary>Starts to listen.</summary>
    public MetricCollector()
    {
        _listener.InstrumentPublished = OnPublished;
        _listener.SetMeasurementEventCallback<long>(static (_, value, tags, state) => ((MetricFamily)state!).Record(value, tags));
        _listener.SetMeasurementEventCallback<int>(static (_, value, tags, state) => ((MetricFamily)state!).Record(value, tags));
        _listener.SetMeasurementEventCallback<double>(static (_, value, tags, state) => ((MetricFamily)state!).Record(value, tags));
        _listener.Start();
    }

    /// <summary>What is known so far, by name.</summary>
    public IReadOnlyList<MetricFamily> Families
    {
        get
        {
            lock (_gate)
            {
                return [.. _families.OrderBy(family => family.Name, StringComparer.Ordinal)];
            }
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _listener.Dispose();

    private void OnPublished(Instrument instrument, MeterListener listener)
    {
        if (instrument.Meter.Name is not (Instruments.MeterName or "Gateway.Storage"))
        {
            return;
        }

        var family = new MetricFamily(instrument);
        lock (_gate)
        {
            _families.Add(family);
        }

        listener.EnableMeasurementEvents(instrument, family);
    }
}
