namespace Gateway.Engine.Caching;

/// <summary>
/// Who holds which block of the key/value cache. A block with a key can be held by several sequences and stays findable after
/// the last one has given it back, until somebody needs the room: blocks without a key are taken first, then the least
/// recently used. Not thread-safe: the compute thread owns it. Nothing allocates after construction.
/// </summary>
public sealed class BlockPool
{
    private const int None = -1;

    // Blocks nobody holds, as a list in the order in which they will be taken.
    private readonly int[] _next;
    private readonly int[] _previous;
    private readonly int[] _holders;
    private readonly BlockKey[] _keys;
    private readonly Dictionary<BlockKey, int> _byKey;
    private int _first = None;
    private int _last = None;

    /// <summary>Creates a pool in which all blocks are free.</summary>
    public BlockPool(int blocks)
    {
        _next = new int[blocks];
        _previous = new int[blocks];
        _holders = new int[blocks];
        _keys = new BlockKey[blocks];
        _byKey = new Dictionary<BlockKey, int>(blocks);
        for (var block = 0; block < blocks; block++)
        {
            Append(block);
        }
    }

    /// <summary>All blocks.</summary>
    public int Total => _holders.Length;

    /// <summary>Blocks that nobody holds and that can be taken.</summary>
    public int Free { get; private set; }

    /// <summary>Blocks that can be found by their key, held or not.</summary>
    public int Published => _byKey.Count;

    /// <summary>Fills <paramref name="blocks"/> with free blocks, which lose their keys, or takes none and returns false.</summary>
    public bool TryTake(Span<int> blocks)
    {
        if (blocks.Length > Free)
        {
            return false;
        }

        foreach (ref var block in blocks)
        {
            block = _first;
            Unlink(block);
            if (!_keys[block].IsNone)
            {
                _byKey.Remove(_keys[block]);
                _keys[block] = default;
            }

            _holders[block] = 1;
        }

        return true;
    }

    /// <summary>How many of these blocks have a single holder.</summary>
    public int HeldAlone(ReadOnlySpan<int> blocks)
    {
        var count = 0;
        foreach (var block in blocks)
        {
            count += _holders[block] == 1 ? 1 : 0;
        }

        return count;
    }

    /// <summary>Holds the block with this key once more, if there is one.</summary>
    public bool TryShare(BlockKey key, out int block)
    {
        if (!_byKey.TryGetValue(key, out block))
        {
            return false;
        }

        if (_holders[block]++ == 0)
        {
            Unlink(block);
        }

        return true;
    }

    /// <summary>Makes a held block findable; its keys and values must be complete and never change again. The first block of a key stays the one that is found.</summary>
    public void Publish(int block, BlockKey key)
    {
        RequireHeld(block);
        if (_keys[block].IsNone && _byKey.TryAdd(key, block))
        {
            _keys[block] = key;
        }
    }

    /// <summary>Gives blocks back, the last first, so that the start of a sequence is reused last.</summary>
    /// <exception cref="InvalidOperationException">A block was not held: two owners would overwrite each other.</exception>
    public void Return(ReadOnlySpan<int> blocks)
    {
        for (var i = blocks.Length - 1; i >= 0; i--)
        {
            var block = blocks[i];
            RequireHeld(block);
            if (--_holders[block] > 0)
            {
                continue;
            }

            if (_keys[block].IsNone)
            {
                Prepend(block);
            }
            else
            {
                Append(block);
            }
        }
    }

    private void RequireHeld(int block)
    {
        if (_holders[block] == 0)
        {
            throw new InvalidOperationException($"block {block} is not held by anybody; two sequences would share it by mistake.");
        }
    }

    private void Append(int block)
    {
        (_previous[block], _next[block]) = (_last, None);
        (_last == None ? ref _first : ref _next[_last]) = block;
        _last = block;
        Free++;
    }

    private void Prepend(int block)
    {
        (_previous[block], _next[block]) = (None, _first);
        (_first == None ? ref _last : ref _previous[_first]) = block;
        _first = block;
        Free++;
    }

    private void Unlink(int block)
    {
        (_previous[block] == None ? ref _first : ref _next[_previous[block]]) = _next[block];
        (_next[block] == None ? ref _last : ref _previous[_next[block]]) = _previous[block];
        Free--;
    }
}
