using Gateway.Model.Numerics;
using Gateway.Model.Weights;

namespace Gateway.Model.Network;

/// <summary>How rows of a pass see the rows before them.</summary>
internal abstract class Attention
{
    /// <summary>Rotates query and key of the activations by the positions of their rows, and writes what was attended.</summary>
    public abstract void Run(Compute compute, int layer, RowPlan plan, LayerActivations activations, RopeTable rope);
}

/// <summary>Serving: keys and values go to the blocks of the cache, and every row reads its own sequence from there.</summary>
internal sealed unsafe class CachedAttention(ModelConfig config) : Attention
{
    /// <summary>The cache of the current pass.</summary>
    public KvCache? Cache { get; set; }

    /// <inheritdoc/>
    public override void Run(Compute compute, int layer, RowPlan plan, LayerActivations activations, RopeTable rope)
    {
        var slab = Cache!.Slab(layer);
        var fresh = new FreshKeys(activations.Key.Data, activations.Value.Data, rope);
        if (!plan.TilesAreWhole)
        {
            compute.RotateAndStore(activations.Query.Data, config.HeadCount, fresh, plan.PagedRows, slab);
            fresh = default;
        }

        compute.PagedAttention(activations.Query.Data, config.HeadCount, plan.Tiles, plan.PagedRows, slab, fresh, activations.Attended.Data);
    }
}

/// <summary>Training: rows of packed documents see the rows of the same document up to themselves; no cache.</summary>
internal sealed unsafe class PackedAttention(ModelConfig config) : Attention
{
    /// <summary>Row borders of the current batch's documents: [0, …, rows].</summary>
    public int[] DocumentStarts { get; set; } = [];

    /// <inheritdoc/>
    public override void Run(Compute compute, int layer, RowPlan plan, LayerActivations activations, RopeTable rope)
    {
        compute.Rope(activations.Query.Data, plan.Rows, config.HeadCount, config.HeadDimension, plan.Positions, rope, inverse: false);
        compute.Rope(activations.Key.Data, plan.Rows, config.KeyValueHeadCount, config.HeadDimension, plan.Positions, rope, inverse: false);
        compute.CausalAttention(activations.Query.Data, activations.Key.Data, activations.Value.Data, plan.Rows,
            config.HeadCount, config.KeyValueHeadCount, config.HeadDimension, DocumentStarts, activations.Attended.Data, activations.LogSumExp.Data);
    }
}
