namespace Gateway.Engine.Grammars;

/// <summary>The masks of one terminal over one trie, by state of its automaton, computed on first use. Thread-safe.</summary>
internal sealed class TerminalMasks(TokenTrie trie, ByteDfa dfa)
{
    // Long patterns have tens of thousands of states, and a mask may take as many bytes.
    private const int MaximumMasks = 512;

    private TerminalMask?[] _byState = new TerminalMask?[dfa.States];
    private int _count;

    /// <summary>The mask in a state.</summary>
    public TerminalMask this[int state] => Volatile.Read(ref Volatile.Read(ref _byState)[state]) ?? Compute(state);

    /// <summary>Two threads may compute the same mask; both are right.</summary>
    private TerminalMask Compute(int state)
    {
        if (Interlocked.Increment(ref _count) % MaximumMasks == 0)
        {
            Volatile.Write(ref _byState, new TerminalMask?[dfa.States]);
        }

        var mask = new TerminalMask(trie, dfa, state);
        Volatile.Write(ref Volatile.Read(ref _byState)[state], mask);
        return mask;
    }
}

/// <summary>
/// Which tokens a terminal takes in one state of its automaton, whatever surrounds the terminal: those that stay inside it, by
/// the characters they charge, and the trie nodes at which it can end, behind which the surroundings decide. Thread-safe.
/// </summary>
internal sealed class TerminalMask
{
    // Inside tokens in ascending order of charge; those that charge c end at _ends[c].
    private readonly int[] _inside;
    private readonly int[] _ends;
    private readonly ulong[]?[] _bitsByLimit;
    private readonly int _words;

    public TerminalMask(TokenTrie trie, ByteDfa dfa, int state)
    {
        var (tokens, charges) = (new List<int>(), new List<int>());
        var ends = new List<(int Node, int Charge)>();
        Walk(0, state, 0);
        _words = (trie.Size + 63) / 64;
        (_inside, _ends) = SortByCharge(tokens, charges);
        _bitsByLimit = new ulong[]?[_ends.Length];
        if (_ends is [var all] && all > _words)
        {
            // Without charges there is one limit, and bits are the shorter list.
            _bitsByLimit[0] = Bits(0, all);
            _inside = [];
        }

        Ends = [.. ends];
        HasTokensBehindEnds = ends.Exists(end => trie.End(end.Node) > end.Node + 1);

        void Walk(int node, int from, int charge)
        {
            for (var child = node + 1; child < trie.End(node); child = trie.End(child))
            {
                var next = dfa.Next(from, trie.Byte(child));
                if (next == ByteDfa.Dead)
                {
                    continue;
                }

                var (target, charged) = (ByteDfa.Target(next), charge + ByteDfa.Charge(next));
                if (dfa.Accepts(target))
                {
                    ends.Add((child, charged));
                }

                if (dfa.Continues(target))
                {
                    foreach (var token in trie.Tokens(child))
                    {
                        tokens.Add(token);
                        charges.Add(charged);
                    }

                    Walk(child, target, charged);
                }
            }
        }
    }

    /// <summary>The nodes at which the terminal can end, with the characters charged until there.</summary>
    public (int Node, int Charge)[] Ends { get; }

    /// <summary>Whether some token goes on behind an end, so that the surroundings decide about it.</summary>
    public bool HasTokensBehindEnds { get; }

    /// <summary>Adds the tokens that stay inside the terminal and charge at most <paramref name="limit"/> characters.</summary>
    public void AddInside(int limit, Span<ulong> mask)
    {
        limit = Math.Min(limit, _ends.Length - 1);
        var count = _ends[limit];
        if (count <= _words)
        {
            foreach (var token in _inside.AsSpan(0, count))
            {
                mask[token >> 6] |= 1UL << token;
            }

            return;
        }

        var bits = Volatile.Read(ref _bitsByLimit[limit]) ?? Bits(limit, count);
        for (var word = 0; word < bits.Length; word++)
        {
            mask[word] |= bits[word];
        }
    }

    /// <summary>By counting: most tokens charge a handful of characters.</summary>
    private static (int[] Tokens, int[] Ends) SortByCharge(List<int> tokens, List<int> charges)
    {
        var starts = new int[(charges.Count == 0 ? 0 : charges.Max()) + 2];
        foreach (var charge in charges)
        {
            starts[charge + 1]++;
        }

        for (var charge = 1; charge < starts.Length; charge++)
        {
            starts[charge] += starts[charge - 1];
        }

        var (sorted, next) = (new int[tokens.Count], starts.ToArray());
        for (var i = 0; i < tokens.Count; i++)
        {
            sorted[next[charges[i]]++] = tokens[i];
        }

        return (sorted, starts[1..]);
    }

    private ulong[] Bits(int limit, int count)
    {
        var bits = new ulong[_words];
        foreach (var token in _inside.AsSpan(0, count))
        {
            bits[token >> 6] |= 1UL << token;
        }

        Volatile.Write(ref _bitsByLimit[limit], bits);
        return bits;
    }
}
