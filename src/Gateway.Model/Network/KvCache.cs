using Gateway.Model.Numerics;
using Gateway.Model.Weights;

namespace Gateway.Model.Network;

/// <summary>
/// Keys and values of all sequences in blocks of 16 tokens, f32 or bfloat16: per layer, block and key head the keys
/// [d][16], so that one load yields the same dimension of 16 keys, and the values [16][d]. Who owns which block is the
/// caller's business; a forward pass only reads and writes the blocks its slices name.
/// </summary>
public sealed unsafe class KvCache : IDisposable
{
    /// <summary>Tokens in a block.</summary>
    public const int BlockTokens = PagedRow.BlockTokens;

    private readonly PagedSlab[] _slabs;
    private byte* _memory;

    /// <summary>Allocates zeroed memory for every layer; f32 unless <paramref name="bfloat16"/>.</summary>
    public KvCache(ModelConfig config, int blocks, bool bfloat16 = false)
    {
        Blocks = blocks;
        var shape = new PagedSlab(0, 0, config.KeyValueHeadCount, config.HeadDimension, bfloat16);
        Bytes = blocks * config.LayerCount * (long)(shape.KeyBlockBytes + shape.ValueBlockBytes);
        _memory = AlignedMemory.AllocateBytes(Bytes);
        _slabs = new PagedSlab[config.LayerCount];
        var next = (nint)_memory;
        for (var layer = 0; layer < _slabs.Length; layer++)
        {
            _slabs[layer] = shape with { Keys = next, Values = next + (blocks * shape.KeyBlockBytes) };
            next += blocks * (shape.KeyBlockBytes + shape.ValueBlockBytes);
        }
    }

    ~KvCache() => Free();

    /// <summary>Number of blocks.</summary>
    public int Blocks { get; }

    /// <summary>Native memory in bytes.</summary>
    public long Bytes { get; }

    /// <summary>Memory that one block takes, over all layers.</summary>
    public static long BlockBytes(ModelConfig config, bool bfloat16)
    {
        var shape = new PagedSlab(0, 0, config.KeyValueHeadCount, config.HeadDimension, bfloat16);
        return config.LayerCount * (long)(shape.KeyBlockBytes + shape.ValueBlockBytes);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Free();
        GC.SuppressFinalize(this);
    }

    /// <summary>The keys and values of a layer.</summary>
    internal PagedSlab Slab(int layer)
    {
        ObjectDisposedException.ThrowIf(_memory is null, this);
        return _slabs[layer];
    }

    private void Free()
    {
        AlignedMemory.Free(_memory);
        _memory = null;
    }
}
