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

    /// <summary>Seconds from the first to the last token of a reply.</summary>
    private static async Task<double> TimeAsync(BenchEngine engine, int[] prompt, int[] script)
    {
        var reply = engine.Start(prompt, script.Length);
        await reply.ReadAsync(script.Length).ConfigureAwait(false);
        await reply.EndAsync().ConfigureAwait(false);
        return reply.Tokens.SequenceEqual(script)
            ? Stopwatch.GetElapsedTime(reply.Times[0], reply.Times[^1]).TotalSeconds
            : throw new InvalidOperationException("a reply differs from its script: speculation or a kernel is wrong.");
    }

    private void Add(SpeculationTexts texts, Tokenizer tokenizer)
    {
        int[] script = [.. tokenizer.Encode(texts.Reply).Take(ScriptedCheckpoint.ScriptTokens)];
        int[] prompt = ScriptedCheckpoint.Prompt(tokenizer.Encode(texts.Visible), script);
        var perStep = 1.0;
        var series = new Series($"speculation, {texts.Name}", async () =>
        {
            // Plain, speculating twice, plain: a machine that gets steadily faster or slower favours neither.
            var accepted = _speculating.Engine.Statistics.AcceptedTokens;
            var plain = await TimeAsync(_plain, prompt, script).ConfigureAwait(false);
            var speculating = await TimeAsync(_speculating, prompt, script).ConfigureAwait(false);
            speculating += await TimeAsync(_speculating, prompt, script).ConfigureAwait(false);
            plain += await TimeAsync(_plain, prompt, script).ConfigureAwait(false);
            accepted = _speculating.Engine.Statistics.AcceptedTokens - accepted;
            perStep = 2 * script.Length / (double)((2 * script.Length) - accepted);
            return plain / speculating;
        });
        _all.Add(series);
        _rows.Add(() => BenchRow.Rate(
            new BenchCase("speculation", _shape.Name, _format.Name(), Streams: 1, Adapters: 0, prompt.Length + (script.Length / 2)),
            series.Median, $"× plain, {texts.Name}", perStep));
    }
}
