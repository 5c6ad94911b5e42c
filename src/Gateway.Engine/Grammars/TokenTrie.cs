using System.Runtime.CompilerServices;

namespace Gateway.Engine.Grammars;

/// <summary>
/// The tokens of a vocabulary as a trie over bytes in flat arrays: nodes in preorder, node 0 the root, so that the subtree of a
/// node is a range and leaving it out is one step. Also keeps the masks of terminals over this trie. Thread-safe.
/// </summary>
internal sealed class TokenTrie
{
    private readonly byte[] _byte;
    private readonly int[] _end;
    private readonly int[] _parent;
    private readonly int[] _firstToken;
    private readonly int[] _tokenCount;
    private readonly int[] _tokens;
    private readonly ConditionalWeakTable<ByteDfa, TerminalMasks> _masks = [];

    /// <param name="bytes">Per token id its bytes; tokens without bytes are left out.</param>
    public TokenTrie(IReadOnlyList<byte[]> bytes)
    {
        _tokens = [.. Enumerable.Range(0, bytes.Count).Where(id => bytes[id].Length > 0)];
        Array.Sort(_tokens, (a, b) => bytes[a].AsSpan().SequenceCompareTo(bytes[b]) is var order and not 0 ? order : a.CompareTo(b));
        Size = bytes.Count;

        var (values, ends, parents) = (new List<byte> { 0 }, new List<int> { 0 }, new List<int> { 0 });
        var (firsts, counts) = (new List<int> { 0 }, new List<int> { 0 });
        var path = new List<int> { 0 };
        byte[] previous = [];
        for (var i = 0; i < _tokens.Length; i++)
        {
            var word = bytes[_tokens[i]];
            var common = word.AsSpan().CommonPrefixLength(previous);
            while (path.Count - 1 > common)
            {
                ends[path[^1]] = values.Count;
                path.RemoveAt(path.Count - 1);
            }

            for (var at = common; at < word.Length; at++)
            {
                parents.Add(path[^1]);
                path.Add(values.Count);
                values.Add(word[at]);
                ends.Add(0);
                firsts.Add(i);
                counts.Add(0);
            }

            // Words that begin others come before them, and equal words are neighbours.
            counts[path[^1]]++;
            previous = word;
        }

        foreach (var node in path)
        {
            ends[node] = values.Count;
        }

        (_byte, _end, _parent) = ([.. values], [.. ends], [.. parents]);
        (_firstToken, _tokenCount) = ([.. firsts], [.. counts]);
    }

    /// <summary>Number of token ids.</summary>
    public int Size { get; }

    /// <summary>The byte that leads to a node.</summary>
    public byte Byte(int node) => _byte[node];

    /// <summary>The first node behind the subtree of <paramref name="node"/>; its children are node + 1, End(node + 1), …</summary>
    public int End(int node) => _end[node];

    /// <summary>The node one byte shorter.</summary>
    public int Parent(int node) => _parent[node];

    /// <summary>The ids whose bytes end at a node.</summary>
    public ReadOnlySpan<int> Tokens(int node) => _tokens.AsSpan(_firstToken[node], _tokenCount[node]);

    /// <summary>The child of a node, or −1.</summary>
    public int Child(int node, byte value)
    {
        for (var child = node + 1; child < _end[node]; child = _end[child])
        {
            if (_byte[child] == value)
            {
                return child;
            }
        }

        return -1;
    }

    /// <summary>The masks of a terminal over this trie.</summary>
    public TerminalMasks Masks(ByteDfa dfa) =>
        _masks.TryGetValue(dfa, out var masks) ? masks : _masks.GetValue(dfa, key => new TerminalMasks(this, key));
}
