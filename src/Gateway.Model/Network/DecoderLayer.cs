using Gateway.Model.Numerics;
using Gateway.Model.Weights;

namespace Gateway.Model.Network;

/// <summary>
/// One decoder layer: h = x + o(attention(rms(x))), out = h + down(silu(gate(rms(h)))·up(rms(h))), with the LoRA terms of
/// each row's adapter. The same code serves and trains, so what is trained is what is served.
/// </summary>
internal sealed unsafe class DecoderLayer : IDisposable
{
    private readonly ModelConfig _config;
    private readonly int _index;
    private readonly Compute _compute;
    private readonly Linear[] _linears;

    /// <summary>Allocates the weights of layer <paramref name="index"/>.</summary>
    public DecoderLayer(ModelConfig config, int index, Compute compute)
    {
        (_config, _index, _compute) = (config, index, compute);
        _linears = [.. Projections.All.Select(projection => new Linear(compute, projection.Inputs(config), projection.Outputs(config), projection.HasBias(config)))];
        InputNorm = new Matrix(1, config.HiddenSize);
        PostNorm = new Matrix(1, config.HiddenSize);
        QueryNorm = config.QueryKeyNorm ? new Matrix(1, config.HeadDimension) : null;
        KeyNorm = config.QueryKeyNorm ? new Matrix(1, config.HeadDimension) : null;
    }

    /// <summary>Weight of the norm before attention.</summary>
    public Matrix InputNorm { get; }

    /// <summary>Weight of the norm before the feed-forward block.</summary>
    public Matrix PostNorm { get; }

    /// <summary>Weight of the norm on every query head (Qwen3), or null.</summary>
    public Matrix? QueryNorm { get; }

    /// <summary>Weight of the norm on every key head (Qwen3), or null.</summary>
    public Matrix? KeyNorm { get; }

    /// <summary>The linear map of a projection.</summary>
    public Linear this[Projection projection] => _linears[(int)projection];

    /// <summary>The layer's weights by Hugging Face name, each with the action that takes a new value.</summary>
    public IEnumerable<KeyValuePair<string, Action<Matrix>>> Slots()
    {
        var prefix = $"model.layers.{_index}";
        yield return Copy($"{prefix}.input_layernorm.weight", InputNorm);
        yield return Copy($"{prefix}.post_attention_layernorm.weight", PostNorm);
        if (_config.QueryKeyNorm)
        {
            yield return Copy($"{prefix}.self_attn.q_norm.weight", QueryNorm!);
            yield return Copy($"{prefix}.self_attn.k_norm.weight", KeyNorm!);
        }

        foreach (var projection in Projections.All)
        {
            yield return new($"{projection.Path(_index)}.weight", this[projection].SetWeight);
            if (projection.HasBias(_config))
            {
                yield return new($"{projection.Path(_index)}.bias", this[projection].SetBias);
            }
        }
    }

    /// <summary>
    /// Runs the layer: 1. norm, q, k, v; 2. per-head norms and rotation; 3. attention; 4. o_proj onto the residual stream;
    /// 5. norm and gated feed-forward onto the residual stream.
    /// </summary>
    /// <param name="plan">The rows.</param>
    /// <param name="rope">Rotation angles.</param>
    /// <param name="attention">How rows see earlier ones.</param>
    /// <param name="activations">Receives every intermediate value.</param>
    /// <param name="input">The residual stream [rows, H].</param>
    /// <param name="middle">Receives the stream after attention; may be <paramref name="input"/>.</param>
    /// <param name="output">Receives the stream after the layer; may be <paramref name="middle"/>.</param>
    public void Forward(RowPlan plan, RopeTable rope, Attention attention, LayerActivations activations, float* input, float* middle, float* output)
    {
        var (rows, width) = (plan.Rows, _config.HiddenSize);
        _compute.RmsNorm(input, InputNorm.Data, rows, width, _config.RmsNormEpsilon, activations.Normed.Data, activations.InverseRms.Data);
        ProjectHeads(plan, Projection.Query, _config.HeadCount, QueryNorm, activations, activations.RawQuery, activations.Query, activations.QueryInverseRms);
        ProjectHeads(plan, Projection.Key, _config.KeyValueHeadCount, KeyNorm, activations, activations.RawKey, activations.Key, activations.KeyInverseRms);
        Project(plan, Projection.Value, activations.Normed, activations, activations.Value.Data, accumulate: false);

        _compute.Rope(activations.Query.Data, rows, _config.HeadCount, _config.HeadDimension, plan.Positions, rope, inverse: false);
        _compute.Rope(activations.Key.Data, rows, _config.KeyValueHeadCount, _config.HeadDimension, plan.Positions, rope, inverse: false);

        attention.Run(_compute, _index, plan, activations);

        CopyRows(input, middle, rows, width);
        Project(plan, Projection.Output, activations.Attended, activations, middle, accumulate: true);

        _compute.RmsNorm(middle, PostNorm.Data, rows, width, _config.RmsNormEpsilon, activations.PostNormed.Data, activations.PostInverseRms.Data);
        Project(plan, Projection.Gate, activations.PostNormed, activations, activations.Gate.Data, accumulate: false);
        Project(plan, Projection.Up, activations.PostNormed, activations, activations.Up.Data, accumulate: false);
        _compute.SwiGlu(activations.Gate.Data, activations.Up.Data, checked(rows * _config.IntermediateSize), activations.Activated.Data);
        CopyRows(middle, output, rows, width);
        Project(plan, Projection.Down, activations.Activated, activations, output, accumulate: true);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var linear in _linears)
        {
            linear.Dispose();
        }

        InputNorm.Dispose();
        PostNorm.Dispose();
        QueryNorm?.Dispose();
        KeyNorm?.Dispose();
    }

    private static KeyValuePair<string, Action<Matrix>> Copy(string name, Matrix target) => new(name, value => value.Span.CopyTo(target.Span));

    private static void CopyRows(float* source, float* target, int rows, int width)
    {
        if (source != target)
        {
            var bytes = (long)rows * width * sizeof(float);
            Buffer.MemoryCopy(source, target, bytes, bytes);
        }
    }

    private void ProjectHeads(RowPlan plan, Projection projection, int heads, Matrix? norm,
        LayerActivations activations, RowBuffer raw, RowBuffer normed, RowBuffer inverseRms)
    {
        if (norm is null)
        {
            Project(plan, projection, activations.Normed, activations, normed.Data, accumulate: false);
        }
        else
        {
            Project(plan, projection, activations.Normed, activations, raw.Data, accumulate: false);
            _compute.RmsNorm(raw.Data, norm.Data, checked(plan.Rows * heads), _config.HeadDimension, _config.RmsNormEpsilon, normed.Data, inverseRms.Data);
        }
    }

    /// <summary>y (+)= x·Wᵀ + b, then y += (scale·(x·Aᵀ))·Bᵀ for the rows of each adapter.</summary>
    private void Project(RowPlan plan, Projection projection, RowBuffer input, LayerActivations activations, float* y, bool accumulate)
    {
        var linear = this[projection];
        var (inputs, outputs) = (linear.Forward.Depth, linear.Forward.Width);
        _compute.Multiply(input.Data, inputs, plan.Rows, linear.Forward, y, outputs, accumulate);
        if (linear.Bias is { } bias)
        {
            _compute.AddBias(y, plan.Rows, outputs, bias.Data);
        }

        var inner = activations.Inner[(int)projection].Data;
        foreach (var segment in plan.Segments)
        {
            if (segment.Pairs.Find(_index, projection) is { } pair)
            {
                var rank = pair.Target.Rank;
                _compute.Multiply(input.Data + ((long)segment.FirstRow * inputs), inputs, segment.Rows, pair.Down, inner, rank, accumulate: false);
                _compute.Scale(inner, pair.Target.Scale, segment.Rows * rank);
                _compute.Multiply(inner, rank, segment.Rows, pair.Up, y + ((long)segment.FirstRow * outputs), outputs, accumulate: true);
            }
        }
    }
}
