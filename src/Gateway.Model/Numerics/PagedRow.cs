namespace Gateway.Model.Numerics;

/// <summary>One query row of a paged attention: the cache blocks of its sequence and the last position it sees.</summary>
public readonly unsafe struct PagedRow(int* blocks, int position)
{
    /// <summary>Tokens per cache block.</summary>
    public const int BlockTokens = 16;

    /// <summary>Block numbers of the sequence in order; block i holds positions 16·i .. 16·i+15.</summary>
    public int* Blocks { get; } = blocks;

    /// <summary>The row attends to positions 0..Position.</summary>
    public int Position { get; } = position;
}
