namespace Gateway.Engine.Grammars;

/// <summary>
/// What a reply may look like: compiled once from a JSON Schema, a regular expression or a list of choices, and then shared by
/// all sequences that obey it. Compiling may take many milliseconds and belongs on no thread that computes tokens.
/// Thread-safe.
/// </summary>
/// <remarks>
/// JSON is written compactly: no whitespace but at most one space behind a colon or a comma, because free whitespace lets models
/// idle until their token limit. Members come in the order in which the schema declares them, additional ones behind them, and
/// none twice. Nesting is at most 64 deep.
/// </remarks>
public sealed class Grammar
{
    /// <summary>Longest source of a grammar in UTF-16 units.</summary>
    public const int MaximumLength = 256 * 1024;

    // States are numbered from the start of a terminal on; the masks of long patterns would take too much memory at once.
    private const int MaximumPreparedStates = 64;

    private readonly Rule[] _rules;
    private readonly int _root;
    private GrammarAutomaton? _automaton;

    internal Grammar(Rule[] rules, int root) => (_rules, _root) = (rules, root);

    /// <summary>Replies that are valid JSON under a schema.</summary>
    /// <param name="schema">A JSON Schema (2020-12, the subset of the product's validator) as text.</param>
    /// <param name="cancellation">Ends a compilation that nobody waits for.</param>
    /// <exception cref="GrammarException">The schema is broken, not supported, too large, or no value fits it.</exception>
    public static Grammar FromSchema(string schema, CancellationToken cancellation = default) => FromParts(new GrammarPart.Schema(schema, ""), cancellation);

    /// <summary>Replies that are any JSON object.</summary>
    public static Grammar JsonObject() => FromSchema("""{"type":"object"}""");

    /// <summary>Replies that consist of several parts.</summary>
    /// <exception cref="GrammarException">A schema is broken, not supported or too large, or no text fits.</exception>
    public static Grammar FromParts(GrammarPart root, CancellationToken cancellation = default) => SchemaCompiler.Compile(root, new CompileBudget(cancellation));

    /// <summary>Replies that a regular expression matches as a whole.</summary>
    /// <param name="pattern">A pattern without look-around, back-references and word boundaries.</param>
    /// <param name="cancellation">Ends a compilation that nobody waits for.</param>
    /// <exception cref="GrammarException">The pattern is broken, not supported, too large, or matches nothing.</exception>
    public static Grammar FromRegex(string pattern, CancellationToken cancellation = default) => FromParts(new GrammarPart.Pattern(pattern), cancellation);

    /// <summary>Replies that are one of the given texts.</summary>
    /// <exception cref="GrammarException">There are no choices, one is empty or no valid Unicode, or they are too many.</exception>
    public static Grammar FromChoice(IReadOnlyList<string> choices, CancellationToken cancellation = default) => FromParts(new GrammarPart.Texts(choices), cancellation);

    /// <summary>
    /// Computes the masks of the grammar's automata ahead, so that the thread that computes tokens need not: the first long
    /// one takes milliseconds. For the thread that compiled the grammar.
    /// </summary>
    public Grammar Prepare(TokenVocabulary vocabulary)
    {
        foreach (var dfa in _rules.Select(rule => (rule as TerminalRule)?.Dfa ?? (rule as OpeningsRule)?.Texts).OfType<ByteDfa>())
        {
            var masks = vocabulary.Tokens.Masks(dfa);
            for (var state = 0; state < Math.Min(dfa.States, MaximumPreparedStates); state++)
            {
                _ = masks[state];
            }
        }

        return this;
    }

    /// <summary>The automaton over a vocabulary; a grammar serves one model, so the last one is kept.</summary>
    internal GrammarAutomaton Automaton(TokenVocabulary vocabulary)
    {
        var known = Volatile.Read(ref _automaton);
        if (known is null || known.Vocabulary != vocabulary || known.IsFull)
        {
            known = new GrammarAutomaton(new GrammarStates(_rules, _root), vocabulary);
            Volatile.Write(ref _automaton, known);
        }

        return known;
    }
}
