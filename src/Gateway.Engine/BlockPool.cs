namespace Gateway.Engine;

/// <summary>Which blocks of the key/value cache are free. Not thread-safe: the compute thread owns it.</summary>
public sealed class BlockPool
{
    private readonly int[] _free;
    private readonly bool[] _taken;
    private int _count;

    /// <summary>Creates a pool in which all blocks are free.</summary>
    public BlockPool(int blocks)
    {
        _free = [.. Enumerable.Range(0, blocks).Reverse()];
        _taken = new bool[blocks];
        _count = blocks;
    }

    /// <summary>All blocks.</summary>
    public int Total => _free.Length;

    /// <summary>Blocks that can be taken.</summary>
    public int Free => _count;

    /// <summary>Fills <paramref name="blocks"/> with free blocks, or takes none and returns false.</summary>
    public bool TryTake(Span<int> blocks)
    {
        if (blocks.Length > _count)
        {
            return false;
        }

        foreach (ref var block in blocks)
        {
            block = _free[--_count];
            _taken[block] = true;
        }

        return true;
    }

    /// <summary>Gives blocks back, the last first, so that the start of a sequence is reused last.</summary>
    /// <exception cref="InvalidOperationException">A block was not taken: two owners would share it.</exception>
    public void Return(ReadOnlySpan<int> blocks)
    {
        for (var i = blocks.Length - 1; i >= 0; i--)
        {
            if (!_taken[blocks[i]])
            {
                throw new InvalidOperationException($"block {blocks[i]} is returned but was not taken; two sequences would share it.");
            }

            _taken[blocks[i]] = false;
            _free[_count++] = blocks[i];
        }
    }
}
