using System.Diagnostics;
using Gateway.Model.Network;
using Gateway.Model.Numerics;
using Gateway.Model.Weights;

namespace Gateway.Bench;

/// <summary>How long a model takes to load: from its checkpoint, packing on the way, and from the packed cache of an earlier load.</summary>
/// <remarks>The limit is the time to read the files once from memory; the operating system holds them there after the first round.</remarks>
internal sealed class LoadSeries
{
    private readonly BenchCase _case;
    private readonly List<Series> _all = [];
    private readonly List<Func<Roofline, BenchRow>> _rows = [];

    /// <summary>Prepares the rows that <paramref name="isWanted"/> names; packed files go below <paramref name="cache"/>.</summary>
    public LoadSeries(string checkpoint, string cache, BenchShape shape, WeightFormat format, Compute compute, Func<string, bool> isWanted)
    {
        _case = new BenchCase("load", shape.Name, format.Name());
        if (isWanted("load"))
        {
            Add("load", Directory.EnumerateFiles(checkpoint, "*.safetensors").Sum(file => new FileInfo(file).Length), () => Time(checkpoint, compute, format, cache: null));
        }

        // An f32 model is not packed ahead.
        if (isWanted("load_cached") && format != WeightFormat.F32)
        {
            Add("load_cached", (long)Roofline.WeightBytes(shape, format), () => Time(checkpoint, compute, format, cache));
        }
    }

    /// <summary>What to measure.</summary>
    public IReadOnlyList<Series> All => _all;

    /// <summary>The rows of the medians.</summary>
    public IEnumerable<BenchRow> Rows(Roofline limits) => _rows.Select(row => row(limits));

    private static double Time(string checkpoint, Compute compute, WeightFormat format, string? cache)
    {
        var started = Stopwatch.GetTimestamp();
        using var model = Transformer.Load(checkpoint, compute, format, cache);
        return Stopwatch.GetElapsedTime(started).TotalSeconds;
    }

    private void Add(string name, long bytes, Func<double> time)
    {
        var series = new Series(name.Replace('_', ' '), () => Task.FromResult(time()));
        _all.Add(series);
        _rows.Add(limits => BenchRow.Cost(_case with { Name = name }, series.Median, "s", bytes / limits.Read));
    }
}
