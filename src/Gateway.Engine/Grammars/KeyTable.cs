namespace Gateway.Engine.Grammars;

/// <summary>
/// Numbers for the additional keys written so far: texts as nodes of a trie, and the keys of one object as a chain in the order
/// written. Equal texts and equal chains have equal numbers. Not thread-safe.
/// </summary>
internal sealed class KeyTable
{
    /// <summary>The empty text, and the chain without keys.</summary>
    public const int Empty = 0;

    private readonly Dictionary<(int Text, byte Next), int> _texts = [];
    private readonly List<(int Text, byte Last)> _spellings = [(Empty, 0)];
    private readonly Dictionary<(int Chain, int Text), int> _chains = [];
    private readonly List<(int Chain, int Text)> _links = [(Empty, Empty)];

    /// <summary>The text one byte longer.</summary>
    public int Append(int text, byte next)
    {
        if (!_texts.TryGetValue((text, next), out var longer))
        {
            _texts.Add((text, next), longer = _spellings.Count);
            _spellings.Add((text, next));
        }

        return longer;
    }

    /// <summary>The chain one key longer.</summary>
    public int Add(int chain, int text)
    {
        if (!_chains.TryGetValue((chain, text), out var longer))
        {
            _chains.Add((chain, text), longer = _links.Count);
            _links.Add((chain, text));
        }

        return longer;
    }

    /// <summary>The last key of a chain and the chain before it.</summary>
    public (int Chain, int Text) Last(int chain) => _links[chain];

    /// <summary>Whether a chain holds a text.</summary>
    public bool Contains(int chain, int text)
    {
        for (; chain != Empty; chain = _links[chain].Chain)
        {
            if (_links[chain].Text == text)
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>
    /// The node of <paramref name="trie"/> below <paramref name="from"/> at which the rest of <paramref name="text"/> behind
    /// <paramref name="prefix"/> ends; −1 when the text does not begin so or no token goes on like that.
    /// </summary>
    public int Rest(TokenTrie trie, int text, int prefix, int from)
    {
        if (text == prefix)
        {
            return from;
        }

        if (text == Empty)
        {
            return -1;
        }

        var (shorter, last) = _spellings[text];
        var node = Rest(trie, shorter, prefix, from);
        return node < 0 ? -1 : trie.Child(node, last);
    }
}
