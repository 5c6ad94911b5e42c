namespace Gateway.Model.Numerics;

/// <summary>Keys and values that are not in the cache yet; keys, like their queries, are not rotated yet either.</summary>
internal readonly unsafe struct FreshKeys(float* keys, float* values, RopeTable rope)
{
    private readonly float* _cos = rope.Cos;
    private readonly float* _sin = rope.Sin;

    /// <summary>False for the default value: everything is in its place.</summary>
    public bool Any => _cos is not null;

    /// <summary>Positions that can be rotated to.</summary>
    public int ContextLength { get; } = rope.ContextLength;

    /// <summary>
    /// Rotates the queries that share a key head, and the key, and writes key and value to the cache; of one row.
    /// </summary>
    /// <param name="kernels">The arithmetic.</param>
    /// <param name="row">The row.</param>
    /// <param name="place">Where its sequence lies.</param>
    /// <param name="slab">The cache.</param>
    /// <param name="kvHead">The key head.</param>
    /// <param name="queries">The queries of the row that share it.</param>
    /// <param name="group">Their number.</param>
    public void Store(Kernels kernels, int row, in PagedRow place, in PagedSlab slab, int kvHead, float* queries, int group)
    {
        nint angle = (nint)place.Position * (slab.D / 2);
        nint source = (((nint)row * slab.KvHeads) + kvHead) * slab.D;
        kernels.Rope(queries, group, slab.D, _cos + angle, _sin + angle, inverse: false);
        kernels.Rope(keys + source, 1, slab.D, _cos + angle, _sin + angle, inverse: false);
        PagedKeys target = slab.Of(place.Blocks, place.Position + 1, kvHead);
        kernels.StoreKeyValue(keys + source, values + source, slab.D, target.Bfloat16, target.Keys(place.Position), target.Values(place.Position), place.Position % PagedRow.BlockTokens);
    }
}
