using System.Diagnostics;
using Gateway.Engine;
using Gateway.Model.Network;
using Gateway.Model.Weights;

namespace Gateway.Bench;

/// <summary>What a model does for its callers: prefill, decode alone and in batches, with adapters. Owns its engines.</summary>
/// <remarks>
/// Everything goes through engines with options as served, greedy and without end tokens. A decode figure counts only the time
/// in which all its streams decode, at a mean context of <see cref="Context"/> tokens.
/// </remarks>
internal sealed class ServingSeries : IDisposable
{
    /// <summary>The rows it knows.</summary>
    public static readonly IReadOnlyList<string> RowNames = ["prefill", "decode", "decode_resident", "mixed", "one_adapter"];

    /// <summary>Mean number of tokens before the one that is decoded: the prompt and half of the reply.</summary>
    public const int Context = 128;

    /// <summary>Length of the prompts of the prefill row.</summary>
    public const int PrefillTokens = 256;

    // A measurement is as many windows as take this long, whatever the size of the model; their prompts are in the cache.
    private const double LeastSeconds = 0.7;
    private const int Window = 16;
    private const int PromptTokens = Context - (Window / 2);

    private const int Prefills = 3;
    private const int MostStreams = 16;
    private const int AdapterStreams = 8;

    // Streams that began a few steps earlier must not end before the last one has been measured.
    private const int SlackTokens = 64;

    private readonly BenchShape _shape;
    private readonly WeightFormat _format;
    private readonly BenchEngine _plain;
    private readonly BenchEngine? _adapted;
    private readonly int[][] _prompts;
    private readonly List<Series> _all = [];
    private readonly List<Func<Roofline, BenchRow>> _rows = [];

    /// <summary>Prepares the rows that <paramref name="isWanted"/> names.</summary>
    public ServingSeries(Transformer model, BenchShape shape, WeightFormat format, EngineOptions options, Func<string, bool> isWanted)
    {
        (_shape, _format) = (shape, format);
        _plain = new BenchEngine(model, options, adapters: 0);
        _prompts = [.. Enumerable.Range(0, MostStreams).Select(_ => _plain.NewPrompt(PromptTokens))];
        if (isWanted("prefill"))
        {
            AddPrefill();
        }

        if (isWanted("decode"))
        {
            foreach (var streams in (int[])[1, 8, MostStreams])
            {
                AddDecode(streams);
            }
        }

        if (((string[])["decode_resident", "mixed", "one_adapter"]).Any(isWanted))
        {
            _adapted = new BenchEngine(model, options, AdapterStreams);
            AddAdapterRows(_adapted, isWanted);
        }
    }

    /// <summary>What to measure.</summary>
    public IReadOnlyList<Series> All => _all;

    /// <summary>The rows of the medians.</summary>
    public IEnumerable<BenchRow> Rows(Roofline limits) => _rows.Select(row => row(limits));

    /// <inheritdoc/>
    public void Dispose()
    {
        _plain.Dispose();
        _adapted?.Dispose();
    }

    /// <summary>Tokens per second of all streams together while all of them decode.</summary>
    private async Task<double> DecodeAsync(BenchEngine engine, int streams, IReadOnlyList<string>? adapters = null)
    {
        var (tokens, seconds) = (0, 0.0);
        while (seconds < LeastSeconds)
        {
            seconds += await WindowAsync(engine, streams, adapters).ConfigureAwait(false);
            tokens += streams * Window;
        }

        return tokens / seconds;
    }

    /// <summary>Seconds in which every stream gets <see cref="Window"/> tokens.</summary>
    private async Task<double> WindowAsync(BenchEngine engine, int streams, IReadOnlyList<string>? adapters)
    {
        var replies = new StreamClock[streams];
        for (var i = 0; i < streams; i++)
        {
            replies[i] = engine.Start(_prompts[i], Window + SlackTokens, adapters?[i % adapters.Count]);
        }

        // Prompts are served in order of arrival: when the last has its first token, all others have theirs.
        var last = replies[^1];
        await last.ReadAsync(Window + 1).ConfigureAwait(false);
        var seconds = Stopwatch.GetElapsedTime(last.Times[0], last.Times[^1]).TotalSeconds;
        foreach (var reply in replies)
        {
            await reply.EndAsync().ConfigureAwait(false);
        }

        return seconds;
    }

    /// <summary>Prompt tokens per second, from the request to the first token of the reply.</summary>
    private static async Task<double> PrefillAsync(BenchEngine engine)
    {
        var seconds = 0.0;
        for (var i = 0; i < Prefills; i++)
        {
            var reply = engine.Start(PrefillTokens, 1);
            await reply.ReadAsync(1).ConfigureAwait(false);
            seconds += Stopwatch.GetElapsedTime(reply.Started, reply.Times[0]).TotalSeconds;
            await reply.EndAsync().ConfigureAwait(false);
        }

        return Prefills * PrefillTokens / seconds;
    }

    private Series Add(string label, Func<Task<double>> measure)
    {
        var series = new Series(label, measure);
        _all.Add(series);
        return series;
    }

    private BenchCase Case(string name, int streams, int adapters = 0, int context = Context) =>
        new(name, _shape.Name, _format.Name(), streams, adapters, context);

    private void AddPrefill()
    {
        var series = Add($"prefill of {PrefillTokens} tokens", () => PrefillAsync(_plain));
        _rows.Add(limits => BenchRow.Rate(
            Case("prefill", 1, context: PrefillTokens), series.Median, "tokens/s", limits.PrefillRate(_shape, _format, PrefillTokens)));
    }

    private void AddDecode(int streams)
    {
        var series = Add($"decode, {streams} streams", () => DecodeAsync(_plain, streams));
        _rows.Add(limits => BenchRow.Rate(Case("decode", streams), series.Median, "tokens/s", limits.DecodeRate(_shape, _format, streams, Context)));
    }

    private void AddAdapterRows(BenchEngine adapted, Func<string, bool> isWanted)
    {
        var plain = Add("base batch", () => DecodeAsync(_plain, AdapterStreams));
        if (isWanted("decode_resident"))
        {
            AddComparison("decode_resident", plain, () => DecodeAsync(adapted, AdapterStreams), AdapterStreams);
        }

        if (isWanted("one_adapter"))
        {
            AddComparison("one_adapter", plain, () => DecodeAsync(adapted, AdapterStreams, [adapted.Adapters[0]]), 1);
        }

        if (isWanted("mixed"))
        {
            var series = Add("mixed adapters", () => DecodeAsync(adapted, AdapterStreams, adapted.Adapters));
            var bytes = Roofline.BytesOf(RandomAdapter.Parameters(_shape.Config), AdapterStreams);
            _rows.Add(limits => BenchRow.Cost(
                Case("mixed", AdapterStreams, AdapterStreams),
                1e3 * series.MedianWith(plain, (mixed, alone) => (AdapterStreams / mixed) - (AdapterStreams / alone)),
                "ms added per step",
                1e3 * bytes / limits.Read));
        }
    }

    /// <summary>A rate beside the same batch without adapters; its share is the median of the ratios.</summary>
    private void AddComparison(string name, Series plain, Func<Task<double>> measure, int adapters)
    {
        var series = Add(name.Replace('_', ' '), measure);
        _rows.Add(_ => BenchRow.Rate(
            Case(name, AdapterStreams, adapters), plain.Median * series.MedianWith(plain, (value, alone) => value / alone), "tokens/s", plain.Median));
    }
}
