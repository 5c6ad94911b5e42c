namespace Gateway.Engine.Grammars;

/// <summary>
/// A pattern as a nondeterministic automaton (Thompson, "Regular expression search algorithm", 1968), with edges that can be
/// taken only at the start or at the end of the text.
/// </summary>
internal sealed class PatternGraph
{
    private readonly CompileBudget _budget;
    private readonly List<Node> _nodes = [];
    private readonly SortedSet<int> _starts = [0, 0xD800, 0xDC00, 0xE000];
    private readonly bool _isSearch;
    private readonly int _first;
    private readonly int _final;
    private int _closure;

    /// <param name="pattern">What to match.</param>
    /// <param name="isSearch">Whether the match may lie anywhere in the text.</param>
    /// <param name="budget">Pays for states.</param>
    public PatternGraph(Pattern pattern, bool isSearch, CompileBudget budget)
    {
        _budget = budget;
        _first = Add();
        _final = Add();
        var end = Build(pattern, _first);
        AddFree(end, _final);
        if (isSearch)
        {
            // Leading text ends in front of a copy of the start that is not at the start of the text.
            var lead = Add();
            var entry = Add();
            AddFree(entry, lead);
            AddFree(entry, _first);
            AddUnit(lead, CharacterSet.All, lead);
            AddFree(lead, _first);
            _first = entry;
            AddUnit(_final, CharacterSet.All, _final);
        }

        _isSearch = isSearch;
    }

    /// <summary>The deterministic automaton, by sets of nodes.</summary>
    public PatternAutomaton Determine()
    {
        var starts = _starts.ToArray();
        var first = Close([_first], atStart: true, atEnd: false);
        return PatternAutomaton.Explore(starts, new NodeSet(first, true), _budget, Accepts, Step);
    }

    private bool Accepts(NodeSet at) => Array.BinarySearch(Close(at.Nodes, at.AtStart, atEnd: true), _final) >= 0;

    private bool Step(NodeSet from, int unit, out NodeSet next)
    {
        // Sets of hundreds of nodes are what makes a pattern slow to compile.
        _budget.Spend(from.Nodes.Length / 64);
        var targets = new List<int>();
        foreach (var node in from.Nodes)
        {
            if (_nodes[node].Set is { } set && set.Contains(unit))
            {
                targets.Add(_nodes[node].Target);
            }
        }

        next = new NodeSet(Close(targets, atStart: false, atEnd: false), false);
        return next.Nodes.Length > 0;
    }

    private int[] Close(IEnumerable<int> nodes, bool atStart, bool atEnd)
    {
        _closure++;
        var closed = new List<int>();
        foreach (var node in nodes)
        {
            Reach(node);
        }

        for (var i = 0; i < closed.Count; i++)
        {
            foreach (var (target, condition) in _nodes[closed[i]].Free)
            {
                if (condition == Condition.None || (condition == Condition.Start && atStart) || (condition == Condition.End && atEnd))
                {
                    Reach(target);
                }
            }
        }

        // Behind a match found everything goes on to match.
        if (_isSearch && _nodes[_final].Closure == _closure && !atEnd)
        {
            return [_final];
        }

        closed.Sort();
        return [.. closed];

        void Reach(int node)
        {
            if (_nodes[node].Closure != _closure)
            {
                _nodes[node].Closure = _closure;
                closed.Add(node);
            }
        }
    }

    /// <summary>Adds a pattern behind a node; returns the node behind it.</summary>
    private int Build(Pattern pattern, int from)
    {
        switch (pattern)
        {
            case Pattern.Unit unit:
                var behind = Add();
                AddUnit(from, unit.Set, behind);
                return behind;
            case Pattern.Sequence sequence:
                foreach (var part in sequence.Parts)
                {
                    from = Build(part, from);
                }

                return from;
            case Pattern.Choice choice:
                var join = Add();
                foreach (var part in choice.Parts)
                {
                    var entry = Add();
                    AddFree(from, entry);
                    AddFree(Build(part, entry), join);
                }

                return join;
            case Pattern.Repeat repeat:
                return BuildRepeat(repeat, from);
            default:
                var end = Add();
                AddFree(from, end, pattern is Pattern.Start ? Condition.Start : Condition.End);
                return end;
        }
    }

    private int BuildRepeat(Pattern.Repeat repeat, int from)
    {
        for (var i = 0; i < repeat.Minimum; i++)
        {
            from = Build(repeat.Part, from);
        }

        var end = Add();
        if (repeat.Maximum == int.MaxValue)
        {
            var loop = Add();
            AddFree(from, loop);
            AddFree(Build(repeat.Part, loop), loop);
            AddFree(loop, end);
            return end;
        }

        for (var i = repeat.Minimum; i < repeat.Maximum; i++)
        {
            // A node of its own, so that the part's edges never leave a node that other parts enter.
            var entry = Add();
            AddFree(from, entry);
            AddFree(entry, end);
            from = Build(repeat.Part, entry);
        }

        AddFree(from, end);
        return end;
    }

    private int Add()
    {
        _budget.Spend(1);
        _nodes.Add(new Node());
        return _nodes.Count - 1;
    }

    private void AddFree(int from, int to, Condition condition = Condition.None) => _nodes[from].Free.Add((to, condition));

    private void AddUnit(int from, CharacterSet set, int to)
    {
        if (_nodes[from].Set is not null)
        {
            var node = Add();
            AddFree(from, node);
            from = node;
        }

        (_nodes[from].Set, _nodes[from].Target) = (set, to);
        foreach (var (low, high) in set.Ranges)
        {
            _starts.Add(low);
            if (high < 0xFFFF)
            {
                _starts.Add(high + 1);
            }
        }
    }

    private enum Condition
    {
        None,
        Start,
        End,
    }

    private sealed class Node
    {
        public List<(int Target, Condition Condition)> Free { get; } = [];

        public CharacterSet? Set { get; set; }

        public int Target { get; set; }

        /// <summary>The last closure that reached the node.</summary>
        public int Closure { get; set; }
    }

    /// <summary>A set of nodes with value equality.</summary>
    private readonly struct NodeSet(int[] nodes, bool atStart) : IEquatable<NodeSet>
    {
        public int[] Nodes => nodes;

        public bool AtStart => atStart;

        public bool Equals(NodeSet other) => atStart == other.AtStart && nodes.AsSpan().SequenceEqual(other.Nodes);

        public override bool Equals(object? obj) => obj is NodeSet other && Equals(other);

        public override int GetHashCode()
        {
            var hash = new HashCode();
            foreach (var node in nodes)
            {
                hash.Add(node);
            }

            return hash.ToHashCode();
        }
    }
}
