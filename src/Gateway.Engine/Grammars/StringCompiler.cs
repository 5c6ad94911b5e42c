namespace Gateway.Engine.Grammars;

/// <summary>Compiles what schemas say about strings: lengths, patterns and, unless they count as annotations, formats.</summary>
internal sealed class StringCompiler(CompileBudget budget, bool withFormats)
{
    private readonly Dictionary<string, ByteDfa?> _compiled = new(StringComparer.Ordinal);

    /// <summary>The automaton of a string, with the characters it may charge; null when no string fits.</summary>
    public (ByteDfa Dfa, int Minimum, int Maximum)? Compile(IEnumerable<SchemaNode> schemas)
    {
        var (minimum, maximum, patterns) = Merge(schemas);
        if (minimum > maximum)
        {
            return null;
        }

        if (patterns.Length == 0)
        {
            return (JsonTerminals.String, minimum, maximum);
        }

        // One set of characters in any number is a counter beside a small automaton, where units are what is counted.
        if (patterns is [var single] && single.Pattern.IsRun(out var set, out var least, out var most)
            && (!set.HasSurrogates || (minimum == 0 && maximum == int.MaxValue)))
        {
            var run = new Pattern.Sequence([new Pattern.Start(), new Pattern.Repeat(new Pattern.Unit(set), 0, int.MaxValue), new Pattern.End()]);
            var dfa = Compiled("run " + single.Pointer, single.Pointer, () => CharacterBytes.Json(PatternAutomaton.FromSearch(run, budget), charged: true, budget));
            (least, most) = (Math.Max(least, minimum), Math.Min(most, maximum));
            return dfa is null || least > most ? null : (dfa, least, most);
        }

        var key = $"{minimum} {maximum} {string.Join(' ', patterns.Select(pattern => pattern.Pointer))}";
        return Compiled(key, patterns[0].Pointer, () =>
        {
            var words = patterns.Select(pattern => PatternAutomaton.FromSearch(pattern.Pattern, budget)).Aggregate((all, next) => all.Intersect(next, budget));
            var bounded = minimum > 0 || maximum < int.MaxValue ? words.WithLength(minimum, maximum, budget) : words;
            return CharacterBytes.Json(bounded, charged: false, budget);
        }) is { } compiled ? (compiled, 0, int.MaxValue) : null;
    }

    /// <summary>Whether a string obeys all of some schemas.</summary>
    public bool Fits(string value, IEnumerable<SchemaNode> schemas)
    {
        var (minimum, maximum, patterns) = Merge(schemas);
        var length = value.Length - value.Count(char.IsLowSurrogate);
        return length >= minimum && length <= maximum && patterns.All(pattern => Matches(PatternAutomaton.FromSearch(pattern.Pattern, budget), value));
    }

    private static bool Matches(PatternAutomaton automaton, string value)
    {
        var state = 0;
        foreach (var unit in value)
        {
            if ((state = automaton.Next(state, unit)) == PatternAutomaton.Dead)
            {
                return false;
            }
        }

        return automaton.Accepts(state);
    }

    private (int Minimum, int Maximum, (Pattern Pattern, string Pointer)[] Patterns) Merge(IEnumerable<SchemaNode> schemas) => (
        schemas.Select(schema => schema.MinLength).DefaultIfEmpty(0).Max(),
        schemas.Select(schema => schema.MaxLength).DefaultIfEmpty(int.MaxValue).Min(),
        [.. schemas.SelectMany(PatternsOf).DistinctBy(pattern => pattern.Pointer).OrderBy(pattern => pattern.Pointer, StringComparer.Ordinal)]);

    private IEnumerable<(Pattern Pattern, string Pointer)> PatternsOf(SchemaNode schema)
    {
        if (schema.Pattern is { } pattern)
        {
            yield return pattern;
        }

        if (withFormats && schema.Format is { } format)
        {
            yield return format;
        }
    }

    private ByteDfa? Compiled(string key, string pointer, Func<ByteDfa?> compile)
    {
        if (!_compiled.TryGetValue(key, out var dfa))
        {
            budget.Pointer = pointer;
            _compiled.Add(key, dfa = compile());
        }

        return dfa;
    }
}
