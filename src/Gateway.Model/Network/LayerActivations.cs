using Gateway.Model.Weights;

namespace Gateway.Model.Network;

/// <summary>
/// What a decoder layer computes for its rows. Serving reuses one set for all layers; training keeps one per layer,
/// because the backward pass reads it again.
/// </summary>
internal sealed class LayerActivations(ModelConfig config) : IDisposable
{
    /// <summary>The attention block's normalised input [rows, H].</summary>
    public RowBuffer Normed { get; } = new();

    /// <summary>1/rms of the attention block's input [rows].</summary>
    public RowBuffer InverseRms { get; } = new();

    /// <summary>Queries and keys before their per-head norm (Qwen3 only).</summary>
    public RowBuffer RawQuery { get; } = new();

    /// <inheritdoc cref="RawQuery"/>
    public RowBuffer RawKey { get; } = new();

    /// <summary>1/rms of every query head [rows, nH] and key head [rows, nKV] (Qwen3 only).</summary>
    public RowBuffer QueryInverseRms { get; } = new();

    /// <inheritdoc cref="QueryInverseRms"/>
    public RowBuffer KeyInverseRms { get; } = new();

    /// <summary>Rotated queries [rows, nH·d].</summary>
    public RowBuffer Query { get; } = new();

    /// <summary>Rotated keys [rows, nKV·d].</summary>
    public RowBuffer Key { get; } = new();

    /// <summary>Values [rows, nKV·d].</summary>
    public RowBuffer Value { get; } = new();

    /// <summary>Attention output before o_proj [rows, nH·d].</summary>
    public RowBuffer Attended { get; } = new();

    /// <summary>Log-sum-exp of the attention scores [rows, nH]; filled by the training attention.</summary>
    public RowBuffer LogSumExp { get; } = new();

    /// <summary>The feed-forward block's normalised input [rows, H].</summary>
    public RowBuffer PostNormed { get; } = new();

    /// <summary>1/rms of the feed-forward block's input [rows].</summary>
    public RowBuffer PostInverseRms { get; } = new();

    /// <summary>Output of gate_proj [rows, I].</summary>
    public RowBuffer Gate { get; } = new();

    /// <summary>Output of up_proj [rows, I].</summary>
    public RowBuffer Up { get; } = new();

    /// <summary>silu(gate)·up [rows, I].</summary>
    public RowBuffer Activated { get; } = new();

    /// <summary>The inner products x·Aᵀ of all adapters for one group of projections, segment after segment [rows, stacked rank].</summary>
    public RowBuffer StackedInner { get; } = new();

    /// <summary>Per projection the scaled inner product scale·(x·Aᵀ) [rows, rank] of the adapter in training.</summary>
    public RowBuffer[] Inner { get; } = [.. Projections.All.Select(_ => new RowBuffer())];

    /// <summary>Makes room for a number of rows, an adapter in training up to a rank and others up to a stacked rank (0: none).</summary>
    public void Reserve(int rows, int trainedRank, int stackedRank)
    {
        Normed.Reserve(rows, config.HiddenSize);
        InverseRms.Reserve(rows, 1);
        Query.Reserve(rows, config.QueryWidth);
        Key.Reserve(rows, config.KeyValueWidth);
        Value.Reserve(rows, config.KeyValueWidth);
        Attended.Reserve(rows, config.QueryWidth);
        LogSumExp.Reserve(rows, config.HeadCount);
        PostNormed.Reserve(rows, config.HiddenSize);
        PostInverseRms.Reserve(rows, 1);
        Gate.Reserve(rows, config.IntermediateSize);
        Up.Reserve(rows, config.IntermediateSize);
        Activated.Reserve(rows, config.IntermediateSize);
        if (config.QueryKeyNorm)
        {
            RawQuery.Reserve(rows, config.QueryWidth);
            RawKey.Reserve(rows, config.KeyValueWidth);
            QueryInverseRms.Reserve(rows, config.HeadCount);
            KeyInverseRms.Reserve(rows, config.KeyValueHeadCount);
        }

        StackedInner.Reserve(rows, stackedRank);
        if (trainedRank > 0)
        {
            foreach (var inner in Inner)
            {
                inner.Reserve(rows, trainedRank);
            }
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        RowBuffer[] all =
        [
            Normed, InverseRms, RawQuery, RawKey, QueryInverseRms, KeyInverseRms, Query, Key, Value, Attended, LogSumExp,
            PostNormed, PostInverseRms, Gate, Up, Activated, StackedInner, .. Inner,
        ];
        foreach (var buffer in all)
        {
            buffer.Dispose();
        }
    }
}
