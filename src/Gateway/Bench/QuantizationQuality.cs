using Gateway.Hosting;
using Gateway.Model.Network;
using Gateway.Model.Numerics;
using Gateway.Model.Text;
using Gateway.Model.Weights;
using Gateway.Training.Pretraining;

namespace Gateway.Bench;

/// <summary>
/// What a weight format costs in quality on a text: perplexity, divergence from f32 and agreement of the likeliest token, over
/// windows that start fresh. Both formats run as they serve.
/// </summary>
internal sealed class QuantizationQuality
{
    /// <summary>Tokens of a window.</summary>
    private const int Window = 256;

    private const int MostWindows = 256;
    private const long MostLogits = 1L << 31;

    private readonly string _folder;
    private readonly BenchShape _shape;
    private readonly Compute _compute;
    private readonly List<int[]> _windows;

    /// <summary>Compares every quantized format of the options with f32 on a text.</summary>
    /// <param name="options">The model, or none for the starter; the formats; the threads.</param>
    /// <param name="text">A plain file, or rows of a corpus (.jsonl.gz).</param>
    /// <param name="progress">Told after every window.</param>
    /// <param name="cancellationToken">Ends the run.</param>
    /// <exception cref="InvalidDataException">The text is too short or not what its name says.</exception>
    /// <exception cref="ModelFormatException">The model cannot be loaded.</exception>
    public static async Task<IReadOnlyList<BenchRow>> RunAsync(BenchOptions options, string text, BenchProgress progress, CancellationToken cancellationToken)
    {
        var documents = text.EndsWith(".jsonl.gz", StringComparison.Ordinal)
            ? Corpus.Read(text).Select(document => document.Text).OfType<string>()
            : [await File.ReadAllTextAsync(text, cancellationToken).ConfigureAwait(false)];
        var folder = options.Model ?? ServeOptions.StarterModel;
        using var compute = new Compute(options.Threads);
        var quality = new QuantizationQuality(folder, BenchShape.Of(folder), documents, compute);
        return [.. options.Weights.Where(format => format != WeightFormat.F32).SelectMany(format => quality.Measure(format, progress, cancellationToken))];
    }

    /// <summary>Cuts the text into windows; a long one is cut off where 2³¹ logits are reached.</summary>
    /// <exception cref="InvalidDataException">The text has less than one window.</exception>
    private QuantizationQuality(string folder, BenchShape shape, IEnumerable<string> documents, Compute compute)
    {
        (_folder, _shape, _compute) = (folder, shape, compute);
        var tokenizer = Tokenizer.Load(folder);
        var most = (int)Math.Clamp(MostLogits / ((long)Window * shape.Config.VocabularySize), 1, MostWindows);
        var length = Math.Min(Window, shape.Config.ContextLength);
        _windows = [.. documents.SelectMany(text => tokenizer.Encode(text).Chunk(length)).Where(window => window.Length == length).Take(most)];
        if (_windows.Count == 0)
        {
            throw new InvalidDataException($"the text has fewer than {length} tokens in a row: give a longer one.");
        }
    }

    /// <summary>Predicted tokens in all windows: the first of each is given.</summary>
    private int Tokens => _windows.Sum(window => window.Length - 1);

    /// <summary>Compares a format with f32.</summary>
    /// <exception cref="ModelFormatException">The checkpoint cannot be loaded.</exception>
    private IReadOnlyList<BenchRow> Measure(WeightFormat format, BenchProgress progress, CancellationToken cancellationToken)
    {
        progress.Begin($"{_shape.Name} {format.Name()}: quality", _windows.Count);
        using var reference = new Scorer(_folder, _compute, WeightFormat.F32);
        using var candidate = new Scorer(_folder, _compute, format);
        var sums = new Sums[_windows[0].Length - 1];
        var total = default(Sums);
        foreach (var window in _windows)
        {
            cancellationToken.ThrowIfCancellationRequested();
            reference.Run(window);
            candidate.Run(window);
            Parallel.For(0, sums.Length, row => sums[row] = Compare(reference.Logits(row), candidate.Logits(row), window[row + 1]));
            total = sums.Aggregate(total, (all, row) => all + row);
            progress.Advance();
        }

        var count = (double)Tokens;
        var of = new BenchCase("perplexity", _shape.Name, format.Name(), Streams: 1, Adapters: 0, Window);
        var divergence = Math.Max(0, total.Divergence / count);
        return
        [
            BenchRow.Cost(of, Math.Exp(total.Candidate / count), "perplexity", Math.Exp(total.Reference / count)),
            new("kl_to_f32", of.Shape, of.Weights, 1, 0, Window, divergence, "nats per token", 0, Math.Exp(-divergence)),
            BenchRow.Rate(of with { Name = "top1_agreement" }, total.Agreements / count, "of tokens", 1),
        ];
    }

    private static Sums Compare(ReadOnlySpan<float> reference, ReadOnlySpan<float> candidate, int next)
    {
        var (first, second) = (LogSumExp(reference, out var likeliest), LogSumExp(candidate, out var otherLikeliest));
        var divergence = 0.0;
        for (var i = 0; i < reference.Length; i++)
        {
            var logP = reference[i] - first;
            divergence += Math.Exp(logP) * (logP - (candidate[i] - second));
        }

        return new Sums(first - reference[next], second - candidate[next], divergence, likeliest == otherLikeliest ? 1 : 0);
    }

    private static double LogSumExp(ReadOnlySpan<float> logits, out int likeliest)
    {
        likeliest = 0;
        for (var i = 1; i < logits.Length; i++)
        {
            likeliest = logits[i] > logits[likeliest] ? i : likeliest;
        }

        var (largest, sum) = ((double)logits[likeliest], 0.0);
        foreach (var logit in logits)
        {
            sum += Math.Exp(logit - largest);
        }

        return largest + Math.Log(sum);
    }

    /// <summary>Sums over predicted tokens: −log p of the text under both, KL(f32 ‖ format), equal likeliest tokens.</summary>
    private readonly record struct Sums(double Reference, double Candidate, double Divergence, int Agreements)
    {
        public static Sums operator +(Sums a, Sums b) =>
            new(a.Reference + b.Reference, a.Candidate + b.Candidate, a.Divergence + b.Divergence, a.Agreements + b.Agreements);
    }

    /// <summary>A model in one format that gives the logits of every position of a window.</summary>
    private sealed class Scorer : IDisposable
    {
        private readonly Transformer _model;
        private readonly KvCache _cache;
        private readonly int[] _blocks;
        private readonly float[] _logits;

        public Scorer(string folder, Compute compute, WeightFormat format)
        {
            _model = Transformer.Load(folder, compute, format);
            _blocks = [.. Enumerable.Range(0, (Window / KvCache.BlockTokens) + 1)];
            _cache = _model.CreateCache(_blocks.Length);
            _logits = new float[Window * _model.Config.VocabularySize];
        }

        public void Run(int[] window) =>
            _model.Forward([new SequenceSlice(window.AsMemory(0, window.Length - 1), 0, _blocks, null, LogitRows.All)], _cache, _logits);

        public ReadOnlySpan<float> Logits(int row) => _logits.AsSpan(row * _model.Config.VocabularySize, _model.Config.VocabularySize);

        public void Dispose()
        {
            _cache.Dispose();
            _model.Dispose();
        }
    }
}
