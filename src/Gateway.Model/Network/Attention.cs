using Gateway.Model.Numerics;
using Gateway.Model.Weights;

namespace Gateway.Model.Network;

/// <summary>How rows of a pass see the rows before them.</summary>
internal abstract class Attention
{
    /// <summary>Reads query, key and value of the activations and writes what was attended.</summary>
    public abstract void Run(Compute compute, int layer, RowPlan plan, LayerActivations activations);
}

/// <summary>Serving: keys and values go to the blocks of the cache, and every row reads its own sequence from there.</summary>
internal sealed unsafe class CachedAttention(ModelConfig config) : Attention
{
    /// <summary>The cache of the current pass.</summary>
    public KvCache? Cache { get; set; }

    /// <inheritdoc/>
    public override void Run(Compute compute, int layer, RowPlan plan, LayerActivations activations)
    {
        var keys = Cache!.Keys(layer).Data;
        var values = Cache.Values(layer).Data;
        var rows = plan.PagedRows;
        for (var row = 0; row < rows.Length; row++)
        {
            Store(activations.Key.Data, row, rows[row], keys);
            Store(activations.Value.Data, row, rows[row], values);
        }

        compute.PagedAttention(activations.Query.Data, plan.Rows, config.HeadCount, config.KeyValueHeadCount, config.HeadDimension,
            rows, keys, values, activations.Attended.Data);
    }

    private void Store(float* source, int row, PagedRow place, float* slab)
    {
        var d = config.HeadDimension;
        var block = place.Blocks[place.Position / KvCache.BlockTokens];
        for (var head = 0; head < config.KeyValueHeadCount; head++)
        {
            var target = slab + ((((((long)block * config.KeyValueHeadCount) + head) * KvCache.BlockTokens) + (place.Position % KvCache.BlockTokens)) * d);
            var from = source + ((((long)row * config.KeyValueHeadCount) + head) * d);
            new ReadOnlySpan<float>(from, d).CopyTo(new Span<float>(target, d));
        }
    }
}

/// <summary>Training: rows of packed documents see the rows of the same document up to themselves; no cache.</summary>
internal sealed unsafe class PackedAttention(ModelConfig config) : Attention
{
    /// <summary>Row borders of the current batch's documents: [0, …, rows].</summary>
    public int[] DocumentStarts { get; set; } = [];

    /// <inheritdoc/>
    public override void Run(Compute compute, int layer, RowPlan plan, LayerActivations activations)
        => compute.CausalAttention(activations.Query.Data, activations.Key.Data, activations.Value.Data, plan.Rows,
            config.HeadCount, config.KeyValueHeadCount, config.HeadDimension, DocumentStarts, activations.Attended.Data, activations.LogSumExp.Data);
}
