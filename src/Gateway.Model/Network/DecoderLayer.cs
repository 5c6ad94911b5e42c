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
    private readonly long[] _groupBytes = new long[LinearGroups.Count];

    /// <summary>Makes room for the weights of layer <paramref name="index"/>.</summary>
    public DecoderLayer(ModelConfig config, int index, Compute compute, WeightBlock block)
    {
        (_config, _index, _compute) = (config, index, compute);
        _linears = new Linear[Projections.Count];
        foreach (var projection in Projections.All)
        {
            _linears[(int)projection] = block.Take(compute, projection.Inputs(config), projection.Outputs(config), projection.HasBias(config));
            _groupBytes[(int)LinearGroups.Of(projection)] += this[projection].Weight.Bytes;
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
    /// Runs the layer: 1. norm, q, k, v; 2. per-head norms; 3. rotation and attention; 4. o_proj onto the residual stream;
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
        var (rows, epsilon) = (plan.Rows, _config.RmsNormEpsilon);
        var normed = _config.QueryKeyNorm;

        var row = Input(Projection.Query, activations.Normed, rows);
        _compute.PrepareNormed(row, InnerProducts(plan, LinearGroup.QueryKeyValue, activations), input, InputNorm.Data, epsilon, activations.InverseRms.Data);
        var targets = stackalloc Target[]
        {
            new(Projection.Query, (normed ? activations.RawQuery : activations.Query).Data),
            new(Projection.Key, (normed ? activations.RawKey : activations.Key).Data),
            new(Projection.Value, activations.Value.Data),
        };
        Project(plan, row, activations, new ReadOnlySpan<Target>(targets, 3));
        if (normed)
        {
            NormHeads(rows, _config.HeadCount, QueryNorm!, activations.RawQuery, activations.Query, activations.QueryInverseRms);
            NormHeads(rows, _config.KeyValueHeadCount, KeyNorm!, activations.RawKey, activations.Key, activations.KeyInverseRms);
        }

        attention.Run(_compute, _index, plan, activations, rope);

        row = Input(Projection.Output, activations.Attended, rows);
        _compute.Prepare(row, InnerProducts(plan, LinearGroup.Output, activations));
        targets[0] = new(Projection.Output, middle);
        Project(plan, row, activations, new ReadOnlySpan<Target>(targets, 1), residual: input);

        row = Input(Projection.Gate, activations.PostNormed, rows);
        _compute.PrepareNormed(row, InnerProducts(plan, LinearGroup.GateUp, activations), middle, PostNorm.Data, epsilon, activations.PostInverseRms.Data);
        targets[0] = new(Projection.Gate, activations.Gate.Data);
        targets[1] = new(Projection.Up, activations.Up.Data);
        Project(plan, row, activations, new ReadOnlySpan<Target>(targets, 2));

        row = Input(Projection.Down, activations.Activated, rows);
        _compute.PrepareGated(row, InnerProducts(plan, LinearGroup.Down, activations), activations.Gate.Data, activations.Up.Data);
        targets[0] = new(Projection.Down, output);
        Project(plan, row, activations, new ReadOnlySpan<Target>(targets, 1), residual: middle);
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

    /// <summary>The rows that a projection and those of its group read.</summary>
    private ProductInput Input(Projection projection, RowBuffer rows, int count)
    {
        var weight = this[projection].Weight;
        return new ProductInput(rows.Data, count, weight.Depth, weight.Format);
    }

    /// <summary>What the adapters of a group need of the rows: every x·Aᵀ, segment after segment.</summary>
    private ReadOnlySpan<InnerProduct> InnerProducts(RowPlan plan, LinearGroup group, LayerActivations activations)
    {
        var products = plan.InnerProducts;
        products.Clear();
        var inner = activations.StackedInner.Data;
        foreach (var segment in plan.Segments)
        {
            if (segment.Adapter.Find(_index, group) is { } stack)
            {
                products.Add(new InnerProduct(segment.FirstRow, segment.Rows, stack.Down, inner));
                inner += (long)segment.Rows * stack.Down.Width;
            }
        }

        return CollectionsMarshal.AsSpan(products);
    }

    /// <summary>
    /// y = (residual +) x·Wᵀ + b + (scale·(x·Aᵀ))·Bᵀ for projections that share their input, each row with the last term of its
    /// own adapter, in one job. An adapter in training computes its x·Aᵀ here, because the backward pass reads it again.
    /// </summary>
    private void Project(RowPlan plan, in ProductInput input, LayerActivations activations, ReadOnlySpan<Target> targets, float* residual = null)
    {
        MultiplyTrained(plan, input, activations, targets);
        var group = LinearGroups.Of(targets[0].Projection);
        var terms = plan.ReserveTerms(targets.Length);
        var products = plan.Products;
        products.Clear();
        foreach (var target in targets)
        {
            var linear = this[target.Projection];
            var count = AddTerms(plan, group, target.Projection, activations, terms);
            var product = new Product(input.Values, input.Width, plan.Rows, linear.Weight, target.Y, linear.Weight.Width, accumulate: false);
            product = residual is null ? product : product.From(residual);
            products.Add(product.Then(linear.Bias is { } bias ? bias.Data : null, terms, count));
            terms += count;
        }

        _compute.Multiply(CollectionsMarshal.AsSpan(products), Following(targets[^1].Projection));
    }

    /// <summary>The weights that are read after those of a group; after the last group come those of the next layer, which has the same shapes.</summary>
    private FollowingWeights Following(Projection last)
    {
        var weight = this[last].Weight;
        var next = ((int)LinearGroups.Of(last) + 1) % LinearGroups.Count;
        return new FollowingWeights(weight.Memory + weight.Bytes, _groupBytes[next]);
    }

    /// <summary>Writes the terms that adapters add to the output of a projection; returns their number.</summary>
    private int AddTerms(RowPlan plan, LinearGroup group, Projection projection, LayerActivations activations, ProductTerm* terms)
    {
        var count = 0;
        if (plan.Trained?.Find(_index, projection) is { } pair)
        {
            terms[count++] = new ProductTerm(activations.Inner[(int)projection].Data, pair.Target.Rank, 0, plan.Rows, pair.Up);
        }

        var inner = activations.StackedInner.Data;
        foreach (var segment in plan.Segments)
        {
            if (segment.Adapter.Find(_index, group) is not { } stack)
            {
                continue;
            }

            foreach (var module in stack.Modules)
            {
                if (module.Projection == projection)
                {
                    terms[count++] = new ProductTerm(inner + module.Offset, stack.Down.Width, segment.FirstRow, segment.Rows, module.Up, module.Scale);
                }
            }

            inner += (long)segment.Rows * stack.Down.Width;
        }

        return count;
    }

    /// <summary>The inner products scale·(x·Aᵀ) of the adapter in training, which the backward pass reads again.</summary>
    private void MultiplyTrained(RowPlan plan, in ProductInput input, LayerActivations activations, ReadOnlySpan<Target> targets)
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
                products.Add(new Product(input.Values, input.Width, plan.Rows, pair.Down, activations.Inner[(int)target.Projection].Data, pair.Target.Rank, accumulate: false));
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
