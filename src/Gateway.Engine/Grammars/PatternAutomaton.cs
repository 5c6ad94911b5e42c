namespace Gateway.Engine.Grammars;

/// <summary>
/// A deterministic automaton over UTF-16 units, in which .NET and ECMA-262 count. Units that no pattern tells apart are one
/// symbol. Immutable.
/// </summary>
internal sealed class PatternAutomaton
{
    public const int Dead = -1;

    // Symbol s stands for the units from _starts[s] up to the next start; surrogates have symbols of their own.
    private readonly int[] _starts;
    private readonly List<int[]> _next;
    private readonly List<bool> _accepts;

    private PatternAutomaton(int[] starts, List<int[]> next, List<bool> accepts) => (_starts, _next, _accepts) = (starts, next, accepts);

    /// <summary>Number of states; 0 is the start.</summary>
    public int States => _next.Count;

    public bool Accepts(int state) => _accepts[state];

    /// <summary>The state behind a unit, or <see cref="Dead"/>.</summary>
    public int Next(int state, int unit) => _next[state][Symbol(unit)];

    /// <summary>Whether all units of a range lead to the same state.</summary>
    public bool IsUniform(int state, int low, int high)
    {
        var last = Symbol(high);
        for (var symbol = Symbol(low) + 1; symbol <= last; symbol++)
        {
            if (_next[state][symbol] != _next[state][symbol - 1])
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>Texts that a pattern matches somewhere, as JSON Schema reads patterns.</summary>
    public static PatternAutomaton FromSearch(Pattern pattern, CompileBudget budget) => new PatternGraph(pattern, isSearch: true, budget).Determine();

    /// <summary>Texts that a pattern matches from start to end.</summary>
    public static PatternAutomaton FromWhole(string pattern, CompileBudget budget) =>
        new PatternGraph(PatternParser.Parse(pattern, budget), isSearch: false, budget).Determine();

    /// <summary>Texts that both automata match.</summary>
    public PatternAutomaton Intersect(PatternAutomaton other, CompileBudget budget)
    {
        int[] starts = [.. _starts.Union(other._starts).Order()];
        return Explore(starts, (Left: 0, Right: 0), budget,
            pair => _accepts[pair.Left] && other._accepts[pair.Right],
            ((int Left, int Right) pair, int unit, out (int Left, int Right) next) =>
            {
                next = (Next(pair.Left, unit), other.Next(pair.Right, unit));
                return next.Left != Dead && next.Right != Dead;
            });
    }

    /// <summary>Texts with a bounded number of characters; a surrogate pair is one.</summary>
    public PatternAutomaton WithLength(int minimum, int maximum, CompileBudget budget)
    {
        var most = maximum == int.MaxValue ? minimum : maximum;
        return Explore(_starts, (State: 0, Count: 0), budget,
            at => _accepts[at.State] && at.Count >= minimum,
            ((int State, int Count) at, int unit, out (int State, int Count) next) =>
            {
                var count = char.IsLowSurrogate((char)unit) ? at.Count : at.Count + 1;
                next = (Next(at.State, unit), Math.Min(count, most));
                return next.State != Dead && (count <= most || maximum == int.MaxValue);
            });
    }

    /// <summary>The automaton of everything reachable from a start; <paramref name="starts"/> are the first units of the symbols.</summary>
    internal static PatternAutomaton Explore<T>(int[] starts, T start, CompileBudget budget, Func<T, bool> accepts, TryStep<T> step)
        where T : notnull
    {
        var numbers = new Dictionary<T, int> { [start] = 0 };
        var (states, next, isAccepting) = (new List<T> { start }, new List<int[]>(), new List<bool>());
        for (var i = 0; i < states.Count; i++)
        {
            budget.Spend(1 + (starts.Length / 16));
            var row = new int[starts.Length];
            for (var symbol = 0; symbol < starts.Length; symbol++)
            {
                row[symbol] = Dead;
                if (step(states[i], starts[symbol], out var target))
                {
                    if (!numbers.TryGetValue(target, out row[symbol]))
                    {
                        numbers.Add(target, row[symbol] = states.Count);
                        states.Add(target);
                    }
                }
            }

            next.Add(row);
            isAccepting.Add(accepts(states[i]));
        }

        return new PatternAutomaton(starts, next, isAccepting);
    }

    private int Symbol(int unit)
    {
        var found = Array.BinarySearch(_starts, unit);
        return found >= 0 ? found : ~found - 1;
    }

    /// <summary>The place behind a unit; false when there is none.</summary>
    internal delegate bool TryStep<T>(T from, int unit, out T next);
}
