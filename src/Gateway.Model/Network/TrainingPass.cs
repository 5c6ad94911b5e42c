using Gateway.Model.Lora;
using Gateway.Model.Numerics;
using Gateway.Model.Weights;

namespace Gateway.Model.Network;

/// <summary>
/// Forward and backward over packed documents. Keeps every activation of a pass, so memory grows with the rows; buffers
/// are reused from step to step. One thread calls at a time, and not while the model serves.
/// </summary>
public sealed unsafe class TrainingPass : IDisposable
{
    private readonly Transformer _model;
    private readonly ModelConfig _config;
    private readonly RowPlan _plan;
    private readonly PackedAttention _attention;
    private readonly LossHead _head;
    private readonly LayerBackward _backward;
    private readonly LayerActivations[] _activations;
    private readonly RowBuffer[] _streams;
    private readonly RowBuffer[] _middles;
    private readonly RowBuffer _gradient = new();

    /// <summary>Prepares passes over a model, which stays the caller's.</summary>
    public TrainingPass(Transformer model)
    {
        (_model, _config) = (model, model.Config);
        _plan = new RowPlan(_config);
        _attention = new PackedAttention(_config);
        _head = new LossHead(model);
        _backward = new LayerBackward(_config, model.Compute);
        _activations = [.. model.Layers.Select(_ => new LayerActivations(_config))];
        _streams = [.. Enumerable.Range(0, _config.LayerCount + 1).Select(_ => new RowBuffer())];
        _middles = [.. model.Layers.Select(_ => new RowBuffer())];
    }

    /// <summary>
    /// Computes the loss of a batch and accumulates gradients: 1. forward, keeping activations; 2. head and loss at the
    /// labelled rows only; 3. the layers backwards; 4. the embedding.
    /// </summary>
    /// <param name="batch">What to train on.</param>
    /// <param name="lossScale">Factor on every gradient, such as 1/N for N labels in the whole accumulated batch; its sign may be negative.</param>
    /// <param name="adapter">The adapter to train, or null; it acts in the forward pass.</param>
    /// <param name="full">The model's own parameters to train, or null; the model must have been refreshed from them.</param>
    /// <returns>Σ −log p over the labelled rows, not scaled.</returns>
    /// <exception cref="ArgumentException">The batch is malformed.</exception>
    public double Run(TrainingBatch batch, float lossScale, LoraParameters? adapter, TransformerParameters? full)
    {
        adapter?.Refresh();
        batch.Require(_config);
        _plan.Arrange(batch, adapter?.Pairs);
        Forward(batch);

        _gradient.Reserve(_plan.Rows, _config.HiddenSize);
        new Span<float>(_gradient.Data, checked(_plan.Rows * _config.HiddenSize)).Clear();
        var loss = _head.Backward(lossScale, full, _gradient.Data);

        _backward.Reserve(_plan.Rows, _plan.TrainedRank);
        for (var layer = _config.LayerCount - 1; layer >= 0; layer--)
        {
            var place = new BackwardPlace
            {
                Layer = layer,
                Plan = _plan,
                DocumentStarts = batch.DocumentStarts,
                Rope = _model.Rope,
                Activations = _activations[layer],
                Input = _streams[layer].Data,
                Middle = _middles[layer].Data,
                Adapter = adapter,
                Full = full?.Layers[layer],
            };
            _backward.Run(_model.Layers[layer], place, _gradient.Data);
        }

        if (full is not null)
        {
            BackEmbedding(full.Embedding);
        }

        return loss;
    }

    /// <summary>Σ −log p of a batch under the base model with an optional adapter; no gradients.</summary>
    /// <param name="batch">What to score.</param>
    /// <param name="adapter">The adapter to apply, or null.</param>
    /// <param name="logProbabilities">Receives log p of the label per row, 0 for rows without one; may be empty.</param>
    /// <exception cref="ArgumentException">The batch is malformed or the span has another length.</exception>
    public double Evaluate(TrainingBatch batch, LoraWeights? adapter, Span<double> logProbabilities = default)
    {
        batch.Require(_config);
        _plan.Arrange(batch, adapter);
        return Score(batch, logProbabilities);
    }

    /// <summary>Σ −log p of a batch under the base model with the current values of an adapter in training; no gradients.</summary>
    /// <inheritdoc cref="Evaluate(TrainingBatch, LoraWeights?, Span{double})"/>
    public double Evaluate(TrainingBatch batch, LoraParameters adapter, Span<double> logProbabilities = default)
    {
        adapter.Refresh();
        batch.Require(_config);
        _plan.Arrange(batch, adapter.Pairs);
        return Score(batch, logProbabilities);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var activations in _activations)
        {
            activations.Dispose();
        }

        foreach (var buffer in _streams.Concat(_middles))
        {
            buffer.Dispose();
        }

        _gradient.Dispose();
        _head.Dispose();
        _backward.Dispose();
    }

    /// <summary>The residual stream of the last pass: 0 after the embedding, i after layer i; [rows, H].</summary>
    internal ReadOnlySpan<float> Hidden(int index) => new(_streams[index].Data, checked(_plan.Rows * _config.HiddenSize));

    private double Score(TrainingBatch batch, Span<double> logProbabilities)
    {
        if (!logProbabilities.IsEmpty && logProbabilities.Length != batch.Tokens.Length)
        {
            throw new ArgumentException($"logProbabilities has {logProbabilities.Length} entries; give one per row or none.", nameof(logProbabilities));
        }

        logProbabilities.Clear();
        Forward(batch);
        return _head.Score(logProbabilities);
    }

    private void Forward(TrainingBatch batch)
    {
        _attention.DocumentStarts = batch.DocumentStarts;
        foreach (var stream in _streams)
        {
            stream.Reserve(_plan.Rows, _config.HiddenSize);
        }

        _model.Embed(_plan, _streams[0].Data);
        for (var layer = 0; layer < _config.LayerCount; layer++)
        {
            _activations[layer].Reserve(_plan.Rows, _plan.TrainedRank, _plan.StackedRank);
            _middles[layer].Reserve(_plan.Rows, _config.HiddenSize);
            _model.Layers[layer].Forward(_plan, _model.Rope, _attention, _activations[layer],
                _streams[layer].Data, _middles[layer].Data, _streams[layer + 1].Data);
        }

        _head.Gather(batch, _streams[^1].Data);
    }

    /// <summary>Adds each row's gradient to its token's embedding, in row order.</summary>
    private void BackEmbedding(Parameter embedding)
    {
        for (var row = 0; row < _plan.Rows; row++)
        {
            _model.Compute.Add(_gradient.Data + ((long)row * _config.HiddenSize), embedding.Gradient.Data + ((long)_plan.Tokens[row] * _config.HiddenSize), _config.HiddenSize);
        }
    }
}
