namespace Gateway.Engine.Grammars;

/// <summary>Collects states and transitions of a <see cref="ByteDfa"/>; the first state added is the start.</summary>
internal sealed class ByteDfaBuilder(CompileBudget budget)
{
    private readonly List<int[]> _rows = [];
    private readonly List<bool> _accepts = [];

    /// <summary>Adds a state without transitions.</summary>
    public int Add(bool accepts = false)
    {
        budget.Spend(1);
        var row = new int[256];
        Array.Fill(row, ByteDfa.Dead);
        _rows.Add(row);
        _accepts.Add(accepts);
        return _rows.Count - 1;
    }

    /// <summary>A transition on every byte from <paramref name="low"/> to <paramref name="high"/>.</summary>
    public void Set(int from, int low, int high, int to, int charge = 0) =>
        _rows[from].AsSpan(low, high - low + 1).Fill(ByteDfa.Pack(to, charge));

    /// <summary>A transition on each byte of <paramref name="values"/>, all below 128.</summary>
    public void Set(int from, string values, int to, int charge = 0)
    {
        foreach (var value in values)
        {
            Set(from, value, value, to, charge);
        }
    }

    /// <summary>The target of a byte, or <see cref="ByteDfa.Dead"/>.</summary>
    public int Target(int from, int value) => _rows[from][value] is var next && next == ByteDfa.Dead ? ByteDfa.Dead : ByteDfa.Target(next);

    /// <summary>Declares whether a word may end at a state.</summary>
    public void Accept(int state, bool accepts = true) => _accepts[state] = accepts;

    /// <summary>The automaton without states that are out of reach or lead nowhere; null when no word is left.</summary>
    public ByteDfa? Build()
    {
        var alive = Alive();
        if (!alive[0])
        {
            return null;
        }

        var number = new int[_rows.Count];
        Array.Fill(number, ByteDfa.Dead);
        var order = new List<int> { 0 };
        number[0] = 0;
        for (var i = 0; i < order.Count; i++)
        {
            foreach (var next in _rows[order[i]])
            {
                if (next != ByteDfa.Dead && alive[ByteDfa.Target(next)] && number[ByteDfa.Target(next)] < 0)
                {
                    number[ByteDfa.Target(next)] = order.Count;
                    order.Add(ByteDfa.Target(next));
                }
            }
        }

        var rows = order.ConvertAll(state => Array.ConvertAll(_rows[state], next =>
            next == ByteDfa.Dead || !alive[ByteDfa.Target(next)]
                ? ByteDfa.Dead
                : ByteDfa.Pack(number[ByteDfa.Target(next)], ByteDfa.Charge(next))));
        return new ByteDfa(rows, [.. order.Select(state => _accepts[state])]);
    }

    private bool[] Alive()
    {
        var sources = new List<int>?[_rows.Count];
        for (var state = 0; state < _rows.Count; state++)
        {
            var previous = ByteDfa.Dead;
            foreach (var next in _rows[state])
            {
                if (next != ByteDfa.Dead && next != previous)
                {
                    (sources[ByteDfa.Target(next)] ??= []).Add(state);
                }

                previous = next;
            }
        }

        var alive = _accepts.ToArray();
        var open = new Stack<int>(Enumerable.Range(0, alive.Length).Where(state => alive[state]));
        while (open.TryPop(out var state))
        {
            foreach (var source in sources[state] ?? [])
            {
                if (!alive[source])
                {
                    alive[source] = true;
                    open.Push(source);
                }
            }
        }

        return alive;
    }
}
