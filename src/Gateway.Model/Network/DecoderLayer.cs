using System.Runtime.InteropServices;
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

    /// <summary>Makes room for the weights of layer <paramref name="index"/>.</summary>
    public DecoderLayer(ModelConfig config, int index, Compute compute, WeightBlock block)
    {
        (_config, _index, _compute) = (config, index, compute);
        _linears = new Linear[Projections.Count];
        foreach (var projection in Projections.All)
        {
            _linears[(int)projection] = block.Take(compute, projection.Inputs(config), projection.Outputs(config), projection.HasBias(config));
        }

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
        var normed = _config.QueryKeyNorm;
        _compute.RmsNorm(input, InputNorm.Data, rows, width, _config.RmsNormEpsilon, activations.Normed.Data, activations.InverseRms.Data);
        var targets = stackalloc Target[]
        {
            new(Projection.Query, (normed ? activations.RawQuery : activations.Query).Data),
            new(Projection.Key, (normed ? activations.RawKey : activations.Key).Data),
            new(Projection.Value, activations.Value.Data),
        };
        Project(plan, activations.Normed, activations, new ReadOnlySpan<Target>(targets, 3));
        if (normed)
        {
            NormHeads(rows, _config.HeadCount, QueryNorm!, activations.RawQuery, activations.Query, activations.QueryInverseRms);
            NormHeads(rows, _config.KeyValueHeadCount, KeyNorm!, activations.RawKey, activations.Key, activations.KeyInverseRms);
        }

        _compute.Rope(activations.Query.Data, rows, _config.HeadCount, _config.HeadDimension, plan.Positions, rope, inverse: false);
        _compute.Rope(activations.Key.Data, rows, _config.KeyValueHeadCount, _config.HeadDimension, plan.Positions, rope, inverse: false);

        attention.Run(_compute, _index, plan, activations);

        targets[0] = new(Projection.Output, middle);
        Project(plan, activations.Attended, activations, new ReadOnlySpan<Target>(targets, 1), residual: input);

        _compute.RmsNorm(middle, PostNorm.Data, rows, width, _config.RmsNormEpsilon, activations.PostNormed.Data, activations.PostInverseRms.Data);
        targets[0] = new(Projection.Gate, activations.Gate.Data);
        targets[1] = new(Projection.Up, activations.Up.Data);
        Project(plan, activations.PostNormed, activations, new ReadOnlySpan<Target>(targets, 2));
        _compute.SwiGlu(activations.Gate.Data, activations.Up.Data, checked(rows * _config.IntermediateSize), activations.Activated.Data);
        targets[0] = new(Projection.Down, output);
        Project(plan, activations.Activated, activations, new ReadOnlySpan<Target>(targets, 1), residual: middle);
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

    private void NormHeads(int rows, int heads, Matrix norm, RowBuffer raw, RowBuffer normed, RowBuffer inverseRms) =>
        _compute.RmsNorm(raw.Data, norm.Data, checked(rows * heads), _config.HeadDimension, _config.RmsNormEpsilon, normed.Data, inverseRms.Data);

    /// <summary>
    /// y = (residual +) x·Wᵀ + b for projections that share their input, then y += (scale·(x·Aᵀ))·Bᵀ for the rows of each adapter:
    /// 1. the base products and every adapter's x·Aᵀ in one job; 2. biases; 3. every adapter's second product in one job.
    /// An adapter in training comes first with its x·Aᵀ, and its second product follows the base product chunk by chunk.
    /// </summary>
    private void Project(RowPlan plan, RowBuffer input, LayerActivations activations, ReadOnlySpan<Target> targets, float* residual = null)
    {
        var group = LinearGroups.Of(targets[0].Projection);
        MultiplyTrained(plan, input, activations, targets);
        var products = plan.Products;
        products.Clear();
        // The adapters come first: their chunks wait for memory and should not be what the others wait for.
        var inner = activations.StackedInner.Data;
        foreach (var segment in plan.Segments)
        {
            if (segment.Adapter.Find(_index, group) is { } stack)
            {
                var (depth, width) = (stack.Down.Depth, stack.Down.Width);
                products.Add(new Product(input.Data + ((long)segment.FirstRow * depth), depth, segment.Rows, stack.Down, inner, width, accumulate: false));
                inner += (long)segment.Rows * width;
            }
        }

        foreach (var target in targets)
        {
            var weight = this[target.Projection].Weight;
            var product = new Product(input.Data, weight.Depth, plan.Rows, weight, target.Y, weight.Width, accumulate: false);
            product = residual is null ? product : product.From(residual);
            var trained = this[target.Projection].Bias is null ? plan.Trained?.Find(_index, target.Projection) : null;
            products.Add(trained is null ? product : product.Then(activations.Inner[(int)target.Projection].Data, trained.Up));
        }

        _compute.Multiply(CollectionsMarshal.AsSpan(products));
        foreach (var target in targets)
        {
            if (this[target.Projection].Bias is { } bias)
            {
                _compute.AddBias(target.Y, plan.Rows, bias.Columns, bias.Data);

                // Where there is a bias, the adapter's product comes after it, as it does in serving.
                if (plan.Trained?.Find(_index, target.Projection) is { } pair)
                {
                    _compute.Multiply(activations.Inner[(int)target.Projection].Data, pair.Target.Rank, plan.Rows, pair.Up, target.Y, pair.Up.Width, accumulate: true);
                }
            }
        }

        AddAdapters(plan, group, activations, targets);
    }

    private void AddAdapters(RowPlan plan, LinearGroup group, LayerActivations activations, ReadOnlySpan<Target> targets)
    {
        var products = plan.Products;
        products.Clear();
        var inner = activations.StackedInner.Data;
        foreach (var segment in plan.Segments)
        {
            if (segment.Adapter.Find(_index, group) is not { } stack)
            {
                continue;
            }

            foreach (var module in stack.Modules)
            {
                // Targets come in the order of projections, without gaps.
                var y = targets[module.Projection - targets[0].Projection].Y;
                var outputs = module.Up.Width;
                products.Add(new Product(
                    inner + module.Offset, stack.Down.Width, segment.Rows, module.Up, y + ((long)segment.FirstRow * outputs), outputs, accumulate: true, module.Scale));
            }

            inner += (long)segment.Rows * stack.Down.Width;
        }

        if (products.Count > 0)
        {
            _compute.Multiply(CollectionsMarshal.AsSpan(products));
        }
    }

    /// <summary>The inner products scale·(x·Aᵀ) of the adapter in training, which the backward pass reads again.</summary>
    private void MultiplyTrained(RowPlan plan, RowBuffer input, LayerActivations activations, ReadOnlySpan<Target> targets)
    {
        if (plan.Trained is not { } trained)
        {
            return;
        }

        var products = plan.Products;
        products.Clear();
        foreach (var target in targets)
        {
            if (trained.Find(_index, target.Projection) is { } pair)
            {
                products.Add(new Product(input.Data, pair.Down.Depth, plan.Rows, pair.Down, activations.Inner[(int)target.Projection].Data, pair.Target.Rank, accumulate: false));
            }
        }

        _compute.Multiply(CollectionsMarshal.AsSpan(products));
        foreach (var target in targets)
        {
            if (trained.Find(_index, target.Projection) is { } pair)
            {
                _compute.Scale(activations.Inner[(int)target.Projection].Data, pair.Target.Scale, plan.Rows * pair.Target.Rank);
            }
        }
    }

    /// <summary>Where the output of a projection goes.</summary>
    private readonly struct Target(Projection projection, float* y)
    {
        public Projection Projection => projection;

        public float* Y => y;
    }
}
