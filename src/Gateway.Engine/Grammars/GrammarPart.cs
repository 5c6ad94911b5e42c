namespace Gateway.Engine.Grammars;

/// <summary>
/// A piece of a reply's form, for replies that are more than one JSON value: literal text around values, one of several forms.
/// Nothing in it matches the empty text.
/// </summary>
public abstract record GrammarPart
{
    /// <summary>Exactly this text, not empty.</summary>
    public sealed record Literal(string Text) : GrammarPart;

    /// <summary>A JSON value that is valid under a schema.</summary>
    /// <param name="Json">The schema as text.</param>
    /// <param name="Pointer">What refusals put in front of their own pointer, to say which schema is meant.</param>
    public sealed record Schema(string Json, string Pointer) : GrammarPart;

    /// <summary>One part behind the other; at least one.</summary>
    public sealed record Sequence(params IReadOnlyList<GrammarPart> Parts) : GrammarPart;

    /// <summary>Any of several.</summary>
    public sealed record Choice(params IReadOnlyList<GrammarPart> Alternatives) : GrammarPart;

    /// <summary>A part up to <paramref name="most"/> times, at least once, with a text between two.</summary>
    public static GrammarPart Repeat(GrammarPart part, string separator, int most)
    {
        // Unrolled from the end: equal beginnings of alternatives are one state of the automaton.
        var result = part;
        for (var i = 1; i < most; i++)
        {
            result = new Choice(part, new Sequence(part, new Literal(separator), result));
        }

        return result;
    }
}
