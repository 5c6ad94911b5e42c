namespace Gateway.Model.Numerics;

/// <summary>Sizes of one training attention, and where the packed keys and values of a document and head lie.</summary>
internal readonly record struct AttentionShape(int Heads, int KvHeads, int D)
{
    /// <summary>Query rows that are handled together: whole register tiles, and little wasted above the diagonal.</summary>
    public const int QueryBlock = 48;

    private const int PanelWidth = PackedMatrix.PanelWidth;

    /// <summary>Query heads that share one key head.</summary>
    public int Group => Heads / KvHeads;

    public nint QueryStride => (nint)Heads * D;

    public nint KeyStride => (nint)KvHeads * D;

    public float ScoreScale => 1f / MathF.Sqrt(D);

    /// <summary>Room for a key and a value, rounded up so that every document starts on a cache line.</summary>
    private long FloatsPerToken => 2L * RoundUp(D);

    /// <summary>Rounds up to whole panels.</summary>
    public static int RoundUp(int count) => (count + PanelWidth - 1) / PanelWidth * PanelWidth;

    /// <summary>Floats from one row of scores to the next: off the powers of two, whose rows would share few cache sets.</summary>
    public static int ScoreStride(int keys) => RoundUp(keys) + PanelWidth;

    public static int QueryBlocks(int length) => (length + QueryBlock - 1) / QueryBlock;

    /// <summary>Room for all documents, each padded to whole panels.</summary>
    public long PackedFloats(int rows, int documents) => (rows + ((long)documents * PanelWidth)) * KvHeads * FloatsPerToken;

    /// <summary>Start of the transposed keys [key panel][D][16] of a document that starts at row <paramref name="start"/>.</summary>
    public long KeyOffset(int document, int start, int length, int kvHead) =>
        (((start + ((long)document * PanelWidth)) * KvHeads) + ((long)kvHead * RoundUp(length))) * FloatsPerToken;

    /// <summary>Floats from the keys to the values [D panel][length][16] of the same document and head.</summary>
    public long KeyFloats(int length) => (long)RoundUp(length) * D;
}
