namespace Gateway.Model.Numerics;

/// <summary>One row of a paged attention: the cache blocks of its sequence and the last position it sees.</summary>
public readonly unsafe struct PagedRow(int* blocks, int position)
{
    /// <summary>Tokens per cache block.</summary>
    public const int BlockTokens = 16;

    /// <summary>Block numbers of the sequence in order; block i holds positions 16·i .. 16·i+15.</summary>
    public int* Blocks { get; } = blocks;

    /// <summary>The row attends to positions 0..Position.</summary>
    public int Position { get; } = position;
}

/// <summary>Consecutive rows of one sequence that attend together.</summary>
public readonly record struct PagedTile(int FirstRow, int Rows)
{
    /// <summary>Rows of a tile at most: with their query heads enough to reuse every key that is loaded, few enough to balance threads.</summary>
    public const int MaximumRows = 8;
}

/// <summary>The queries of a tile that share a key head: row r, head h at r·stride + h·d.</summary>
internal readonly unsafe struct PagedQueries(float* q, float* o, nint stride, int rows, int group, int d, int position)
{
    public int Rows => rows;

    /// <summary>Query heads that share the key head.</summary>
    public int Group => group;

    /// <summary>Width of a head.</summary>
    public int D => d;

    /// <summary>Position of the first row.</summary>
    public int Position => position;

    public float* Query(int index) => q + (index / group * stride) + (index % group * d);

    public float* Output(int index) => o + (index / group * stride) + (index % group * d);
}

/// <summary>Keys and values of one key head: per block keys [d][16] and values [16][d rounded up to 16].</summary>
/// <param name="blocks">Blocks of the sequence.</param>
/// <param name="tokens">Tokens of the sequence that are read.</param>
/// <param name="keys">Keys of the first block of the cache.</param>
/// <param name="values">Values of the first block of the cache.</param>
/// <param name="keyBlockBytes">Bytes from block to block of keys.</param>
/// <param name="valueBlockBytes">Bytes from block to block of values.</param>
/// <param name="keyHeadBytes">Bytes to the keys of the next head.</param>
/// <param name="bfloat16">How both are stored.</param>
internal readonly unsafe struct PagedKeys(int* blocks, int tokens, byte* keys, byte* values, nint keyBlockBytes, nint valueBlockBytes, nint keyHeadBytes, bool bfloat16)
{
    public bool Bfloat16 => bfloat16;

    public static int RoundUp(int count) => (count + 15) & ~15;

    public byte* Keys(int position) => keys + (blocks[position / PagedRow.BlockTokens] * keyBlockBytes);

    /// <summary>The keys to fetch early: those of a later position, or of the next head from its start when there are none.</summary>
    public byte* KeysAhead(int later, int position) => later < tokens ? Keys(later) : Keys(position % (4 * PagedRow.BlockTokens)) + keyHeadBytes;

    public byte* Values(int position) => values + (blocks[position / PagedRow.BlockTokens] * valueBlockBytes);
}

/// <summary>The keys and values of one layer in a paged cache: per block and key head keys [d][16] and values [16][d rounded up].</summary>
/// <param name="Keys">Address of the keys.</param>
/// <param name="Values">Address of the values.</param>
/// <param name="KvHeads">Key heads.</param>
/// <param name="D">Width of a head.</param>
/// <param name="Bfloat16">True when stored as bfloat16, else f32.</param>
public readonly unsafe record struct PagedSlab(nint Keys, nint Values, int KvHeads, int D, bool Bfloat16)
{
    /// <summary>Bytes of the keys of one block; the values take <see cref="ValueBlockBytes"/>.</summary>
    public nint KeyBlockBytes => (nint)KvHeads * KeyHeadBytes;

    /// <summary>Bytes of the values of one block.</summary>
    public nint ValueBlockBytes => (nint)KvHeads * ValueHeadBytes;

    private int ElementBytes => Bfloat16 ? sizeof(ushort) : sizeof(float);

    private nint KeyHeadBytes => (nint)D * PagedRow.BlockTokens * ElementBytes;

    private nint ValueHeadBytes => (nint)PagedKeys.RoundUp(D) * PagedRow.BlockTokens * ElementBytes;

    internal PagedKeys Of(int* blocks, int tokens, int kvHead) => new(
        blocks, tokens, (byte*)Keys + (kvHead * KeyHeadBytes), (byte*)Values + (kvHead * ValueHeadBytes), KeyBlockBytes, ValueBlockBytes, KeyHeadBytes, Bfloat16);
}
