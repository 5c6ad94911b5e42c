using Gateway.Model.Numerics;
using Gateway.Model.Weights;

namespace Gateway.Model.Network;

/// <summary>
/// Keys and values of all sequences in blocks of 16 tokens, f32: per layer two slabs [block][kvHead][16][d]. Who owns which
/// block is the caller's business; a forward pass only reads and writes the blocks its slices name.
/// </summary>
public sealed class KvCache : IDisposable
{
    /// <summary>Tokens in a block.</summary>
    public const int BlockTokens = PagedRow.BlockTokens;

    private readonly Matrix[] _keys;
    private readonly Matrix[] _values;

    /// <summary>Allocates zeroed slabs for every layer.</summary>
    public KvCache(ModelConfig config, int blocks)
    {
        Blocks = blocks;
        _keys = Allocate(config, blocks);
        _values = Allocate(config, blocks);
        Bytes = _keys.Concat(_values).Sum(slab => slab.Bytes);
    }

    /// <summary>Number of blocks.</summary>
    public int Blocks { get; }

    /// <summary>Native memory in bytes.</summary>
    public long Bytes { get; }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var slab in _keys.Concat(_values))
        {
            slab.Dispose();
        }
    }

    /// <summary>The key slab of a layer: one row per block.</summary>
    internal Matrix Keys(int layer) => _keys[layer];

    /// <summary>The value slab of a layer: one row per block.</summary>
    internal Matrix Values(int layer) => _values[layer];

    private static Matrix[] Allocate(ModelConfig config, int blocks)
        => [.. Enumerable.Range(0, config.LayerCount).Select(_ => new Matrix(blocks, config.KeyValueWidth * BlockTokens))];
}
