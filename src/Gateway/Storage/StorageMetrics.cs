using System.Diagnostics.Metrics;

namespace Gateway.Storage;

/// <summary>What the store tells the outside about itself, on the meter <c>Gateway.Storage</c>.</summary>
internal static class StorageMetrics
{
    private static readonly Meter Meter = new("Gateway.Storage");

    private static readonly Histogram<double> CommitDuration =
        Meter.CreateHistogram<double>("gateway.store.commit.duration", "s", "Write and fsync of one group of records.");

    private static readonly Histogram<int> CommitRecords =
        Meter.CreateHistogram<int>("gateway.store.commit.records", "{record}", "Records in one group.");

    private static readonly Histogram<double> AppendWindow =
        Meter.CreateHistogram<double>("gateway.store.append.window", "s", "From accepting an interaction until it is durable, the oldest of each group.");

    private static readonly Counter<long> SpilledRecords =
        Meter.CreateCounter<long>("gateway.store.spilled", "{record}", "Interactions that went to a local file because the store did not answer.");

    /// <summary>Interactions went to the local file.</summary>
    public static void Spilled(int records) => SpilledRecords.Add(records);

    /// <summary>A group of interactions became durable; its oldest had waited so long.</summary>
    public static void AppendDurable(TimeSpan waited) => AppendWindow.Record(waited.TotalSeconds);

    /// <summary>One group became durable.</summary>
    public static void Committed(TimeSpan duration, int records)
    {
        CommitDuration.Record(duration.TotalSeconds);
        CommitRecords.Record(records);
    }
}
