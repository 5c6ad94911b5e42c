namespace Gateway.Engine.Grammars;

/// <summary>
/// A piece of a reply's form, for replies that are more than one JSON value: literal text around values, one of several forms,
/// free text in which some texts or tokens open a form.
/// </summary>
public abstract record GrammarPart
{
    /// <summary>Exactly this text, not empty.</summary>
    public sealed record Literal(string Text) : GrammarPart;

    /// <summary>One of some texts: at least one, none of them empty.</summary>
    public sealed record Texts(IReadOnlyList<string> Choices) : GrammarPart;

    /// <summary>A text that a regular expression matches as a whole; without look-around, back-references and word boundaries.</summary>
    public sealed record Pattern(string Expression) : GrammarPart;

    /// <summary>Exactly this token, whatever text it stands for. The same text in other tokens does not match.</summary>
    public sealed record Token(int Id) : GrammarPart;

    /// <summary>A JSON value that is valid under a schema.</summary>
    /// <param name="Json">The schema as text.</param>
    /// <param name="Pointer">What refusals put in front of their own pointer, to say which schema is meant.</param>
    public sealed record Schema(string Json, string Pointer) : GrammarPart;

    /// <summary>One part behind the other; at least one.</summary>
    public sealed record Sequence(params IReadOnlyList<GrammarPart> Parts) : GrammarPart;

    /// <summary>Any of several.</summary>
    public sealed record Choice(params IReadOnlyList<GrammarPart> Alternatives) : GrammarPart;

    /// <summary>Any number of parts, also none, each behind its opening.</summary>
    /// <param name="Parts">The openings, none of which begins or ends another, and what must follow each.</param>
    /// <param name="Lead">
    /// ASCII characters that may stand between the end of a part, or the beginning, and an opening; null to find openings
    /// anywhere in free text.
    /// </param>
    /// <param name="IsText">Whether anything else may come: free text, in which no opening counts when there is a lead.</param>
    /// <param name="Most">Parts there may be.</param>
    public sealed record Openings(IReadOnlyList<Opening> Parts, string? Lead, bool IsText, int Most = int.MaxValue) : GrammarPart;

    /// <summary>A part up to <paramref name="most"/> times, at least once, with a text between two.</summary>
    public static GrammarPart Repeat(GrammarPart part, string separator, int most) => most == 1
        ? part
        : new Sequence(part, new Openings([new Opening(new Literal(separator), part)], Lead: "", IsText: false, most - 1));
}

/// <summary>What opens a part, and the part.</summary>
/// <param name="Mark">A <see cref="GrammarPart.Literal"/> or a <see cref="GrammarPart.Token"/>.</param>
/// <param name="Part">What must follow.</param>
public sealed record Opening(GrammarPart Mark, GrammarPart Part);
