using System.Diagnostics;
using Gateway.Engine;
using Gateway.Model.Network;
using Gateway.Model.Weights;

namespace Gateway.Bench;

/// <summary>Running streams while a long prompt arrives every three seconds: what each side loses to the other. Owns its engine.</summary>
internal sealed class InterferenceSeries : IDisposable
{
    private const int Streams = 8;
    private const int StreamPrompt = 64;
    private const int LongPrompt = 2000;
    private const int MostTokens = 1500;
    private static readonly TimeSpan Quiet = TimeSpan.FromSeconds(0.7);
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(3);

    private readonly BenchShape _shape;
    private readonly WeightFormat _format;
    private readonly BenchEngine _engine;
    private readonly List<Round> _rounds = [];

    /// <summary>Prepares the measurement.</summary>
    public InterferenceSeries(Transformer model, BenchShape shape, WeightFormat format, EngineOptions options)
    {
        (_shape, _format) = (shape, format);
        _engine = new BenchEngine(model, options, adapters: 0);
        All = [new("streams under a long prompt", MeasureAsync)];
    }

    /// <summary>What to measure; rounds are kept here, because quantiles are taken over the gaps of all of them.</summary>
    public IReadOnlyList<Series> All { get; }

    /// <summary>The slowest gap in a hundred beside the usual gap, and the prompt's wait beside its time alone.</summary>
    public IEnumerable<BenchRow> Rows()
    {
        // The first round warmed up.
        var rounds = _rounds.Skip(1).ToList();
        var usual = Series.MedianOf([.. rounds.SelectMany(round => round.QuietGaps)]);
        var slow = Series.QuantileOf([.. rounds.SelectMany(round => round.BusyGaps)], 0.99);
        yield return BenchRow.Cost(Case(StreamPrompt), slow, "ms between tokens, p99", usual);
        yield return BenchRow.Cost(
            Case(LongPrompt), Series.MedianOf([.. rounds.Select(round => round.Waited)]), "ms to first token", Series.MedianOf([.. rounds.Select(round => round.Alone)]));
    }

    /// <inheritdoc/>
    public void Dispose() => _engine.Dispose();

    private BenchCase Case(int context) => new("itl_under_prefill", _shape.Name, _format.Name(), Streams, Adapters: 0, context);

    private async Task<double> MeasureAsync()
    {
        // 1. The long prompt alone.
        var alone = _engine.Start(LongPrompt, 1);
        await alone.ReadAsync(1).ConfigureAwait(false);
        await alone.EndAsync().ConfigureAwait(false);

        // 2. Streams, for a while undisturbed.
        var started = Stopwatch.GetTimestamp();
        var streams = Enumerable.Range(0, Streams).Select(_ => _engine.Start(StreamPrompt, MostTokens)).ToList();
        var readers = streams.Select(stream => Task.Run(() => stream.ReadAsync(MostTokens))).ToList();
        await Task.Delay(Quiet).ConfigureAwait(false);

        // 3. The long prompt among them, and what is left of the interval.
        var disturber = _engine.Start(LongPrompt, 1);
        await disturber.ReadAsync(1).ConfigureAwait(false);
        var rest = Interval - Stopwatch.GetElapsedTime(started);
        await Task.Delay(rest > TimeSpan.Zero ? rest : TimeSpan.Zero).ConfigureAwait(false);
        await disturber.EndAsync().ConfigureAwait(false);
        streams.ForEach(stream => stream.Cancel());
        await Task.WhenAll(readers).ConfigureAwait(false);

        var round = new Round(Milliseconds(alone.Started, alone.Times[0]), Milliseconds(disturber.Started, disturber.Times[0]));
        foreach (var stream in streams)
        {
            round.AddGaps(stream.Times, disturber.Started, disturber.Times[0]);
        }

        _rounds.Add(round);
        return round.Waited;
    }

    private static double Milliseconds(long from, long to) => Stopwatch.GetElapsedTime(from, to).TotalMilliseconds;

    /// <summary>One arrival of the long prompt; all times in milliseconds.</summary>
    private sealed record Round(double Alone, double Waited)
    {
        /// <summary>Gaps between two tokens of a stream before the prompt came.</summary>
        public List<double> QuietGaps { get; } = [];

        /// <summary>Gaps that overlap the prompt's prefill.</summary>
        public List<double> BusyGaps { get; } = [];

        public void AddGaps(ReadOnlySpan<long> times, long prefillStarts, long prefillEnds)
        {
            for (var i = 1; i < times.Length; i++)
            {
                var gap = Milliseconds(times[i - 1], times[i]);
                if (times[i] <= prefillStarts)
                {
                    QuietGaps.Add(gap);
                }
                else if (times[i - 1] < prefillEnds)
                {
                    BusyGaps.Add(gap);
                }
            }
        }
    }
}
