namespace Gateway.Engine.Grammars;

/// <summary>A regular expression as a tree.</summary>
internal abstract record Pattern
{
    /// <summary>One unit out of a set.</summary>
    public sealed record Unit(CharacterSet Set) : Pattern;

    /// <summary>One after the other; none matches the empty text.</summary>
    public sealed record Sequence(IReadOnlyList<Pattern> Parts) : Pattern;

    /// <summary>One of several.</summary>
    public sealed record Choice(IReadOnlyList<Pattern> Parts) : Pattern;

    /// <summary>From <paramref name="Minimum"/> to <paramref name="Maximum"/> times; <see cref="int.MaxValue"/> for any number.</summary>
    public sealed record Repeat(Pattern Part, int Minimum, int Maximum) : Pattern;

    /// <summary>The start of the text.</summary>
    public sealed record Start : Pattern;

    /// <summary>The very end of the text.</summary>
    public sealed record End : Pattern;

    /// <summary>Whether the pattern is a whole text of units out of one set, such as <c>^[a-z]{1,64}$</c>.</summary>
    public bool IsRun(out CharacterSet set, out int minimum, out int maximum)
    {
        (set, minimum, maximum) = (CharacterSet.All, 0, int.MaxValue);
        if (this is not Sequence { Parts: [Start, Repeat { Part: Unit unit } repeat, End] })
        {
            return false;
        }

        (set, minimum, maximum) = (unit.Set, repeat.Minimum, repeat.Maximum);
        return true;
    }
}
