using System.Diagnostics;
using Gateway.Model.Lora;
using Gateway.Model.Network;
using Gateway.Model.Numerics;
using Gateway.Model.Weights;
using Gateway.Training.Optimization;

namespace Gateway.Bench;

/// <summary>Fine-tuning steps of an adapter on all linear maps: forward, backward and AdamW, loss on all positions. Owns what it trains.</summary>
internal sealed class TrainSeries : IDisposable
{
    private const int Sequences = 2;
    private const int Length = 256;
    private const int Rank = 8;
    private const double LearningRate = 1e-4;

    private readonly BenchShape _shape;
    private readonly Transformer _model;
    private readonly LoraParameters _adapter;
    private readonly TrainingPass _pass;
    private readonly AdamW _optimizer;
    private readonly TrainingBatch _batch;
    private readonly Series _series;

    /// <summary>Loads the checkpoint in f32 and makes an adapter.</summary>
    public TrainSeries(string checkpoint, BenchShape shape, Compute compute)
    {
        _shape = shape;
        _model = Transformer.Load(checkpoint, compute);
        _adapter = new LoraParameters(RandomAdapter.Create(shape.Config, seed: 1, Rank));
        _pass = new TrainingPass(_model);
        _optimizer = new AdamW(_adapter.All, new AdamWSettings(), compute);
        int[] ids = [.. Enumerable.Range(0, (Sequences * Length) + 1).Select(i => (int)(i * 7919L % shape.Config.VocabularySize))];
        _batch = new TrainingBatch(ids[..^1], ids[1..], [.. Enumerable.Range(0, Sequences + 1).Select(document => document * Length)]);
        _series = new Series("LoRA training step", () => Task.FromResult(Step()));
    }

    /// <summary>What to measure.</summary>
    public IReadOnlyList<Series> All => [_series];

    /// <summary>Trained tokens per second.</summary>
    public IEnumerable<BenchRow> Rows(Roofline limits)
    {
        yield return BenchRow.Rate(
            new BenchCase("train_lora", _shape.Name, WeightFormat.F32.Name(), Sequences, Adapters: 1, Length), _series.Median, "tokens/s", limits.TrainRate(_shape));
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _optimizer.Dispose();
        _pass.Dispose();
        _adapter.Dispose();
        _model.Dispose();
    }

    private double Step()
    {
        var started = Stopwatch.GetTimestamp();
        _pass.Run(_batch, 1f / (Sequences * Length), _adapter, full: null);
        _optimizer.Step(LearningRate);
        return Sequences * Length / Stopwatch.GetElapsedTime(started).TotalSeconds;
    }
}
