using Gateway.Model.Numerics;
using Gateway.Model.Weights;

namespace Gateway.Model.Network;

/// <summary>
/// The backward pass of decoder layers: turns the gradient of a layer's output into the gradient of its input and
/// accumulates the gradients of whatever is trained. Scratch is shared by all layers.
/// </summary>
internal sealed unsafe class LayerBackward(ModelConfig config, Compute compute) : IDisposable
{
    private readonly RowBuffer _normed = new();
    private readonly RowBuffer _attended = new();
    private readonly RowBuffer _query = new();
    private readonly RowBuffer _key = new();
    private readonly RowBuffer _value = new();
    private readonly RowBuffer _rawQuery = new();
    private readonly RowBuffer _rawKey = new();
    private readonly RowBuffer _activated = new();
    private readonly RowBuffer _gate = new();
    private readonly RowBuffer _up = new();
    private readonly RowBuffer _inner = new();

    /// <summary>Makes room for a number of rows and adapters up to a rank (0: none).</summary>
    public void Reserve(int rows, int rank)
    {
        _normed.Reserve(rows, config.HiddenSize);
        _attended.Reserve(rows, config.QueryWidth);
        _query.Reserve(rows, config.QueryWidth);
        _key.Reserve(rows, config.KeyValueWidth);
        _value.Reserve(rows, config.KeyValueWidth);
        _activated.Reserve(rows, config.IntermediateSize);
        _gate.Reserve(rows, config.IntermediateSize);
        _up.Reserve(rows, config.IntermediateSize);
        if (config.QueryKeyNorm)
        {
            _rawQuery.Reserve(rows, config.QueryWidth);
            _rawKey.Reserve(rows, config.KeyValueWidth);
        }

        if (rank > 0)
        {
            _inner.Reserve(rows, rank);
        }
    }

    /// <summary>
    /// Goes back through one layer: 1. down_proj and the gate; 2. gate_proj, up_proj and their norm; 3. o_proj and
    /// attention; 4. rotation and per-head norms; 5. q, k, v and their norm.
    /// </summary>
    /// <param name="layer">The layer.</param>
    /// <param name="place">What its forward pass kept and what is trained in it.</param>
    /// <param name="stream">Gradient of the layer's output [rows, H]; becomes the gradient of its input.</param>
    public void Run(DecoderLayer layer, in BackwardPlace place, float* stream)
    {
        var kept = place.Activations;
        var rows = place.Plan.Rows;

        Back(layer, place, Projection.Down, stream, kept.Activated, _activated.Data, accumulate: false);
        compute.SwiGluBackward(kept.Gate.Data, kept.Up.Data, _activated.Data, checked(rows * config.IntermediateSize), _gate.Data, _up.Data);

        Back(layer, place, Projection.Gate, _gate.Data, kept.PostNormed, _normed.Data, accumulate: false);
        Back(layer, place, Projection.Up, _up.Data, kept.PostNormed, _normed.Data, accumulate: true);
        compute.RmsNormBackward(place.Middle, layer.PostNorm.Data, kept.PostInverseRms.Data, _normed.Data, rows, config.HiddenSize, stream, GradientOf(place.Full?.PostNorm));

        Back(layer, place, Projection.Output, stream, kept.Attended, _attended.Data, accumulate: false);
        compute.CausalAttentionBackward(kept.Query.Data, kept.Key.Data, kept.Value.Data, kept.Attended.Data, kept.LogSumExp.Data, _attended.Data,
            rows, config.HeadCount, config.KeyValueHeadCount, config.HeadDimension, place.DocumentStarts, _query.Data, _key.Data, _value.Data);

        compute.Rope(_query.Data, rows, config.HeadCount, config.HeadDimension, place.Plan.Positions, place.Rope, inverse: true);
        compute.Rope(_key.Data, rows, config.KeyValueHeadCount, config.HeadDimension, place.Plan.Positions, place.Rope, inverse: true);
        var query = BackHeadNorm(rows, config.HeadCount, layer.QueryNorm, place.Full?.QueryNorm, kept.RawQuery, kept.QueryInverseRms, _query, _rawQuery);
        var key = BackHeadNorm(rows, config.KeyValueHeadCount, layer.KeyNorm, place.Full?.KeyNorm, kept.RawKey, kept.KeyInverseRms, _key, _rawKey);

        // Nothing below the first layer is trained with an adapter, so its input needs no gradient.
        var input = place.NeedsInputGradient ? _normed.Data : null;
        Back(layer, place, Projection.Query, query, kept.Normed, input, accumulate: false);
        Back(layer, place, Projection.Key, key, kept.Normed, input, accumulate: true);
        Back(layer, place, Projection.Value, _value.Data, kept.Normed, input, accumulate: true);
        if (place.NeedsInputGradient)
        {
            compute.RmsNormBackward(place.Input, layer.InputNorm.Data, kept.InverseRms.Data, input, rows, config.HiddenSize, stream, GradientOf(place.Full?.InputNorm));
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _normed.Dispose();
        _attended.Dispose();
        _query.Dispose();
        _key.Dispose();
        _value.Dispose();
        _rawQuery.Dispose();
        _rawKey.Dispose();
        _activated.Dispose();
        _gate.Dispose();
        _up.Dispose();
        _inner.Dispose();
    }

    private static float* GradientOf(Parameter? parameter) => parameter is null ? null : parameter.Gradient.Data;

    /// <summary>
    /// Goes back through y = x·Wᵀ + b + s·(x·Aᵀ)·Bᵀ with u = s·x·Aᵀ kept: dW += dyᵀ·x, db += Σ dy, dB += dyᵀ·u,
    /// du = s·dy·B, dA += duᵀ·x, dx (+)= dy·W + du·A.
    /// </summary>
    private void Back(DecoderLayer layer, in BackwardPlace place, Projection projection, float* dy, RowBuffer x, float* dx, bool accumulate)
    {
        var (inputs, outputs, rows) = (projection.Inputs(config), projection.Outputs(config), place.Plan.Rows);
        var factors = place.Adapter?.Find(place.Layer, projection);
        if (factors is not null)
        {
            var rank = factors.Target.Rank;
            compute.AddOuterProductsTransposed(place.Activations.Inner[(int)projection].Data, rank, dy, outputs, rows, factors.B.Gradient.Data);
            compute.Multiply(dy, outputs, rows, factors.BackwardB, _inner.Data, rank, accumulate: false);
            compute.Scale(_inner.Data, factors.Target.Scale, rows * rank);
            compute.AddOuterProducts(_inner.Data, rank, x.Data, inputs, rows, factors.A.Gradient.Data);
        }

        if (place.Full is { } full)
        {
            compute.MultiplyTransposed(dy, outputs, x.Data, inputs, rows, outputs, inputs, full.Weight(projection).Gradient.Data, inputs, accumulate: true);
            if (full.Bias(projection) is { } bias)
            {
                compute.ColumnSums(dy, rows, outputs, bias.Gradient.Data, accumulate: true);
            }
        }

        if (dx is not null)
        {
            var product = new Product(dy, outputs, rows, layer[projection].Backward, dx, inputs, accumulate);
            var term = factors is null ? default : new ProductTerm(_inner.Data, factors.Target.Rank, 0, rows, factors.BackwardA);
            compute.Multiply([factors is null ? product : product.Then(null, &term, 1)]);
        }
    }

    /// <summary>Goes back through the norm of every head where the family has one; returns the gradient before it.</summary>
    private float* BackHeadNorm(int rows, int heads, Matrix? norm, Parameter? parameter, RowBuffer raw, RowBuffer inverseRms, RowBuffer gradient, RowBuffer rawGradient)
    {
        if (norm is null)
        {
            return gradient.Data;
        }

        new Span<float>(rawGradient.Data, checked(rows * heads * config.HeadDimension)).Clear();
        compute.RmsNormBackward(raw.Data, norm.Data, inverseRms.Data, gradient.Data, checked(rows * heads), config.HeadDimension, rawGradient.Data, GradientOf(parameter));
        return rawGradient.Data;
    }
}

/// <summary>One layer's place in a backward pass: what its forward pass kept and what is trained in it.</summary>
internal readonly unsafe struct BackwardPlace
{
    /// <summary>The layer's index.</summary>
    public required int Layer { get; init; }

    /// <summary>The rows.</summary>
    public required RowPlan Plan { get; init; }

    /// <summary>Row borders of the documents.</summary>
    public required int[] DocumentStarts { get; init; }

    /// <summary>Rotation angles.</summary>
    public required RopeTable Rope { get; init; }

    /// <summary>What the forward pass kept.</summary>
    public required LayerActivations Activations { get; init; }

    /// <summary>The layer's input [rows, H].</summary>
    public required float* Input { get; init; }

    /// <summary>The residual stream after attention [rows, H].</summary>
    public required float* Middle { get; init; }

    /// <summary>The adapter in training, or null.</summary>
    public required LoraParameters? Adapter { get; init; }

    /// <summary>The layer's own weights in training, or null.</summary>
    public required LayerParameters? Full { get; init; }

    /// <summary>False when nothing that is trained lies before the layer.</summary>
    public bool NeedsInputGradient => Layer > 0 || Full is not null;
}
