using System.Diagnostics;
using Gateway.Engine;
using Gateway.Engine.Adapters;
using Gateway.Model.Lora;
using Gateway.Model.Network;
using Gateway.Model.Weights;

namespace Gateway.Bench;

/// <summary>Moving an adapter's name to another generation, read from its folder, while streams run on it. Owns its engine.</summary>
internal sealed class SwapSeries : IDisposable
{
    private const int Streams = 8;
    private const int PromptTokens = 64;
    private const int MostTokens = 600;
    private const string Name = "swapped";
    private static readonly TimeSpan Quiet = TimeSpan.FromSeconds(0.5);

    private readonly BenchCase _case;
    private readonly BenchEngine _engine;
    private readonly string[] _generations;
    private readonly long _bytes;
    private readonly List<double> _quietGaps = [];
    private readonly List<double> _swapGaps = [];
    private readonly Series _series;
    private int _swaps;

    /// <summary>Writes two generations below <paramref name="work"/> and loads the first.</summary>
    public SwapSeries(Transformer model, BenchShape shape, WeightFormat format, EngineOptions options, string work)
    {
        _case = new BenchCase("swap", shape.Name, format.Name(), Streams, Adapters: 2, PromptTokens);
        _engine = new BenchEngine(model, options, adapters: 0);
        _generations = [.. Enumerable.Range(0, 2).Select(index => Path.Combine(work, $"generation-{index}"))];
        foreach (var folder in _generations)
        {
            using var tensors = RandomAdapter.Create(shape.Config, (ulong)folder[^1]);
            PeftFile.Save(folder, tensors, SavedType.BF16);
        }

        _bytes = Directory.EnumerateFiles(_generations[0]).Sum(file => new FileInfo(file).Length);
        Load();
        _series = new Series("swap of an adapter", MeasureAsync);
    }

    /// <summary>What to measure.</summary>
    public IReadOnlyList<Series> All => [_series];

    /// <summary>The time of a swap beside reading its bytes, and the slowest gap between tokens in a hundred while it lasts beside the usual one.</summary>
    public IEnumerable<BenchRow> Rows(Roofline limits)
    {
        yield return BenchRow.Cost(_case, _series.Median, "ms", 1e3 * _bytes / limits.Read);
        yield return BenchRow.Cost(_case, Series.QuantileOf(_swapGaps, 0.99), "ms between tokens, p99", Series.MedianOf(_quietGaps));
    }

    /// <inheritdoc/>
    public void Dispose() => _engine.Dispose();

    private async Task<double> MeasureAsync()
    {
        var streams = Enumerable.Range(0, Streams).Select(_ => _engine.Start(PromptTokens, MostTokens, Name)).ToList();
        var readers = streams.Select(stream => Task.Run(() => stream.ReadAsync(MostTokens))).ToList();
        await Task.Delay(Quiet).ConfigureAwait(false);

        var started = Stopwatch.GetTimestamp();
        await Task.Run(Load).ConfigureAwait(false);
        var ended = Stopwatch.GetTimestamp();

        streams.ForEach(stream => stream.Cancel());
        await Task.WhenAll(readers).ConfigureAwait(false);
        foreach (var stream in streams)
        {
            AddGaps(stream.Times, started, ended);
        }

        return Stopwatch.GetElapsedTime(started, ended).TotalMilliseconds;
    }

    private void Load()
    {
        var load = _engine.Slots.Load(Name, _generations[_swaps++ % 2], replace: true);
        if (load.Outcome != AdapterLoadOutcome.Loaded)
        {
            throw new InvalidOperationException($"the swap ended with {load.Outcome}: {load.Reason}");
        }
    }

    private void AddGaps(ReadOnlySpan<long> times, long started, long ended)
    {
        for (var i = 1; i < times.Length; i++)
        {
            var gaps = times[i] <= started ? _quietGaps : _swapGaps;
            if (times[i - 1] < ended)
            {
                gaps.Add(Stopwatch.GetElapsedTime(times[i - 1], times[i]).TotalMilliseconds);
            }
        }
    }
}
