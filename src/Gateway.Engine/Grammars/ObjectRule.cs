namespace Gateway.Engine.Grammars;

/// <summary>
/// An object: its declared members in their order, then additional ones. The states are a small table; where two optional
/// members may come next, two transitions share a byte.
/// </summary>
internal sealed class ObjectRule : Rule
{
    private readonly List<Node> _nodes = [];
    private readonly CompileBudget _budget;

    /// <param name="members">Declared members that some value fits, in order.</param>
    /// <param name="additional">The rule of additional members, or −1 when there are none.</param>
    /// <param name="key">The rule of additional keys.</param>
    /// <param name="names">Declared names, also of members that no value fits; no additional key may be one of these.</param>
    /// <param name="depths">Per rule the depth it needs at least.</param>
    /// <param name="budget">Pays for states.</param>
    public ObjectRule(ObjectMember[] members, int additional, int key, IEnumerable<string> names, IReadOnlyList<int> depths, CompileBudget budget)
    {
        _budget = budget;
        Names = [.. names.Select(name => JsonSpelling.Quoted(name)[1..^1])];
        var optionalFrom = Array.FindLastIndex(members, member => member.Required) + 1;
        int start = Add(), first = Add();
        AddEdge(start, '{', first);

        // Additional members come behind the declared ones, in a cycle of their own.
        int moreSpaced = -1, more = -1;
        var additionalDepth = additional < 0 ? 0 : depths[additional];
        if (additional >= 0)
        {
            more = Add();
            moreSpaced = Add();
            int colon = Add(), value = Add(), spaced = Add(), behind = Add();
            AddEdge(more, ' ', moreSpaced);
            AddCall(more, key, colon, additionalDepth);
            AddCall(moreSpaced, key, colon, additionalDepth);
            AddEdge(colon, ':', value);
            AddEdge(value, ' ', spaced);
            AddCall(value, additional, behind);
            AddCall(spaced, additional, behind);
            AddEdge(behind, ',', more, additionalDepth);
            AddEdge(behind, '}', End);
            if (optionalFrom == 0)
            {
                AddCall(first, key, colon, additionalDepth);
            }
        }

        if (optionalFrom == 0)
        {
            AddEdge(first, '}', End);
        }

        // From the last member back, so that each knows what may follow it.
        var entries = new int[members.Length];
        var (open, openSpaced, openDepth) = (more, moreSpaced, additionalDepth);
        for (var i = members.Length - 1; i >= 0; i--)
        {
            var behind = Add();
            if (open >= 0)
            {
                AddEdge(behind, ',', open, openDepth);
            }

            if (i + 1 >= optionalFrom)
            {
                AddEdge(behind, '}', End);
            }

            entries[i] = AddMember(members[i], behind);
            (open, openSpaced) = (Add(), Add());
            AddEdge(open, ' ', openSpaced);
            openDepth = int.MaxValue;
            for (var j = i; j < members.Length && (j == i || !members[j - 1].Required); j++)
            {
                var depth = depths[members[j].Rule];
                AddEdge(open, '"', entries[j], depth);
                AddEdge(openSpaced, '"', entries[j], depth);
                if (i == 0)
                {
                    AddEdge(first, '"', entries[j], depth);
                }

                openDepth = Math.Min(openDepth, depth);
            }

            if (additional >= 0 && i >= optionalFrom)
            {
                AddCall(open, key, _nodes[more].Next, additionalDepth);
                AddCall(openSpaced, key, _nodes[more].Next, additionalDepth);
                openDepth = Math.Min(openDepth, additionalDepth);
            }
        }
    }

    /// <summary>Spellings of the declared names, without quotes.</summary>
    public byte[][] Names { get; }

    public Node this[int state] => _nodes[state];

    /// <summary>From behind the opening quote of the key to behind the value.</summary>
    private int AddMember(ObjectMember member, int behind)
    {
        var entry = Add();
        var at = entry;
        foreach (var value in JsonSpelling.Quoted(member.Name).AsSpan(1))
        {
            var next = Add();
            AddEdge(at, value, next);
            at = next;
        }

        int unspaced = Add(), spaced = Add();
        AddEdge(at, ':', unspaced);
        AddEdge(unspaced, ' ', spaced);
        AddCall(unspaced, member.Rule, behind);
        AddCall(spaced, member.Rule, behind);
        return entry;
    }

    private int Add()
    {
        _budget.Spend(1);
        _nodes.Add(new Node());
        return _nodes.Count - 1;
    }

    private void AddEdge(int from, int value, int to, int depth = 0) => _nodes[from].Edges.Add(new((byte)value, to, depth));

    private void AddCall(int from, int rule, int next, int depth = 0) =>
        (_nodes[from].Call, _nodes[from].Next, _nodes[from].CallDepth) = (rule, next, depth);

    /// <summary>A state: transitions on bytes, and at most one rule that may begin here.</summary>
    internal sealed class Node
    {
        public List<Edge> Edges { get; } = [];

        /// <summary>The rule that may begin here, or −1.</summary>
        public int Call { get; set; } = -1;

        /// <summary>The state behind that rule.</summary>
        public int Next { get; set; } = -1;

        /// <summary>Depth that what follows the rule needs at least.</summary>
        public int CallDepth { get; set; }
    }

    /// <summary>A transition; taken only when the members that may follow fit the depth that is left.</summary>
    internal readonly record struct Edge(byte Value, int Target, int Depth);
}

/// <summary>A declared member of an object.</summary>
internal readonly record struct ObjectMember(string Name, int Rule, bool Required);
