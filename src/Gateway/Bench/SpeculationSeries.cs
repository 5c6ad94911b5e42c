using System.Diagnostics;
using Gateway.Engine;
using Gateway.Model.Network;
using Gateway.Model.Text;
using Gateway.Model.Weights;

namespace Gateway.Bench;

/// <summary>
/// One stream with proposals from its own text beside the same stream without, on real texts (<see cref="ScriptedCheckpoint"/>).
/// Every reply is compared with its text: speculation that changed one token fails the run. Owns its engines.
/// </summary>
internal sealed class SpeculationSeries : IDisposable
{
    private readonly BenchShape _shape;
    private readonly WeightFormat _format;
    private readonly BenchEngine _plain;
    private readonly BenchEngine _speculating;
    private readonly List<Series> _all = [];
    private readonly List<Func<BenchRow>> _rows = [];

    /// <summary>Prepares one row for each text; <paramref name="model"/> is a scripted one, <paramref name="tokenizer"/> has its text ids.</summary>
    public SpeculationSeries(Transformer model, Tokenizer tokenizer, BenchShape shape, WeightFormat format, EngineOptions options)
    {
        (_shape, _format) = (shape, format);
        _plain = new BenchEngine(model, options with { Speculation = Speculate.Never }, adapters: 0);
        _speculating = new BenchEngine(model, options with { Speculation = Speculate.WhenItPays }, adapters: 0);
        foreach (var texts in SpeculationTexts.All)
        {
            Add(texts, tokenizer);
        }
    }

    /// <summary>What to measure.</summary>
    public IReadOnlyList<Series> All => _all;

    /// <summary>Speed as a multiple of one token a step; the limit is the tokens a step gave, as if verifying them cost nothing.</summary>
    public IEnumerable<BenchRow> Rows() => _rows.Select(row => row());

    /// <inheritdoc/>
    public void Dispose()
    {
        _plain.Dispose();
        _speculating.Dispose();
    }

    private static async Task<double> MeasureAsync(BenchEngine engine, int[] prompt, int[] script)
    {
        var reply = engine.Start(prompt, script.Length);
        await reply.ReadAsync(script.Length).ConfigureAwait(false);
        await reply.EndAsync().ConfigureAwait(false);
        return reply.Tokens.SequenceEqual(script)
            ? (script.Length - 1) / Stopwatch.GetElapsedTime(reply.Times[0], reply.Times[^1]).TotalSeconds
            : throw new InvalidOperationException("a reply differs from its script: speculation or a kernel is wrong.");
    }

    private void Add(SpeculationTexts texts, Tokenizer tokenizer)
    {
        int[] script = [.. tokenizer.Encode(texts.Reply).Take(ScriptedCheckpoint.ScriptTokens)];
        int[] prompt = ScriptedCheckpoint.Prompt(tokenizer.Encode(texts.Visible), script);
        var plain = new Series($"{texts.Name}, one token a step", () => MeasureAsync(_plain, prompt, script));
        var perStep = 1.0;
        var speculating = new Series($"{texts.Name}, speculating", async () =>
        {
            var accepted = _speculating.Engine.Statistics.AcceptedTokens;
            var rate = await MeasureAsync(_speculating, prompt, script).ConfigureAwait(false);
            accepted = _speculating.Engine.Statistics.AcceptedTokens - accepted;
            perStep = script.Length / (double)(script.Length - accepted);
            return rate;
        });
        _all.AddRange([plain, speculating]);
        _rows.Add(() => BenchRow.Rate(
            new BenchCase("speculation", _shape.Name, _format.Name(), Streams: 1, Adapters: 0, prompt.Length + (script.Length / 2)),
            speculating.MedianWith(plain, (with, without) => with / without), $"× plain, {texts.Name}", perStep));
    }
}
