namespace Gateway.Model.Text.Tokenizing;

/// <summary>A hand-written scanner whose matches leave no gap.</summary>
internal abstract class Scanner : SplitPattern
{
    public sealed override List<(int Start, int End)> Matches(ReadOnlySpan<char> text)
    {
        var matches = new List<(int Start, int End)>((text.Length / 4) + 1);
        for (int at = 0, end; at < text.Length; at = end)
        {
            end = End(text, at);
            matches.Add((at, end));
        }

        return matches;
    }

    /// <summary>The end of the match that begins at an index of the text.</summary>
    protected internal abstract int End(ReadOnlySpan<char> text, int at);
}

/// <summary>The GPT-2 split rule (<see cref="KnownPatterns.Gpt2"/>) over code points.</summary>
internal sealed class Gpt2Scanner : Scanner
{
    public static readonly Gpt2Scanner Instance = new();

    protected internal override int End(ReadOnlySpan<char> text, int at)
    {
        if (text[at] == '\'' && Contraction.Length(text[at..], ignoreCase: false) is > 0 and var contraction)
            return at + contraction;

        var first = text[at] == ' ' && at + 1 < text.Length ? at + 1 : at;
        var kind = CharacterClasses.At(text, first, out _);
        return kind == CharacterClass.Space
            ? Runs.SpacesBeforeWord(text, at)
            : Runs.End(text, first, kind);
    }
}

/// <summary>
/// The split rule of Llama 3 and Qwen2 over code points; they differ in how many digits stand together.
/// </summary>
internal sealed class WordScanner(int digits) : Scanner
{
    public static readonly WordScanner ThreeDigits = new(3);
    public static readonly WordScanner SingleDigits = new(1);

    protected internal override int End(ReadOnlySpan<char> text, int at)
    {
        // 1  (?i:'s|'t|'re|'ve|'m|'ll|'d)
        if (text[at] == '\'' && Contraction.Length(text[at..], ignoreCase: true) is > 0 and var contraction)
            return at + contraction;

        // 2  [^\r\n\p{L}\p{N}]?\p{L}+
        var kind = CharacterClasses.At(text, at, out var length);
        if (kind == CharacterClass.Letter)
            return Runs.End(text, at, kind);
        if (kind != CharacterClass.Number && text[at] is not ('\r' or '\n')
            && at + length < text.Length && CharacterClasses.At(text, at + length, out _) == CharacterClass.Letter)
            return Runs.End(text, at + length, CharacterClass.Letter);

        // 3  \p{N}{1,3} or \p{N}
        if (kind == CharacterClass.Number)
            return Runs.End(text, at, kind, digits);

        // 4   ?[^\s\p{L}\p{N}]+[\r\n]*
        var symbol = text[at] == ' ' && at + 1 < text.Length ? at + 1 : at;
        if (CharacterClasses.At(text, symbol, out _) == CharacterClass.Other)
            return SkipLineEnds(text, Runs.End(text, symbol, CharacterClass.Other));

        // 5  \s*[\r\n]+   6  \s+(?!\S)   7  \s+
        var spacesEnd = Runs.End(text, at, CharacterClass.Space);
        var lineEnd = text[at..spacesEnd].LastIndexOfAny('\r', '\n');
        return lineEnd >= 0 ? at + lineEnd + 1 : Runs.SpacesBeforeWord(text, at);
    }

    private static int SkipLineEnds(ReadOnlySpan<char> text, int at)
    {
        while (at < text.Length && text[at] is '\r' or '\n')
            at++;
        return at;
    }
}

/// <summary>The English contractions that the published rules keep together.</summary>
internal static class Contraction
{
    /// <summary>Length of a contraction at the start of the text, which begins with an apostrophe; 0 when there is none.</summary>
    public static int Length(ReadOnlySpan<char> text, bool ignoreCase)
    {
        var first = Letter(text, 1, ignoreCase);
        if (first is 's' or 't' or 'm' or 'd')
            return 2;
        return (first, Letter(text, 2, ignoreCase)) is ('r', 'e') or ('v', 'e') or ('l', 'l') ? 3 : 0;
    }

    private static char Letter(ReadOnlySpan<char> text, int at, bool ignoreCase)
    {
        if (at >= text.Length)
            return '\0';
        var letter = text[at];
        if (!ignoreCase)
            return letter;
        // Unicode case folding maps the long s to s.
        return letter == '\u017F' ? 's' : char.IsAsciiLetterUpper(letter) ? (char)(letter | 0x20) : letter;
    }
}

/// <summary>Runs of one character class.</summary>
internal static class Runs
{
    public static int End(ReadOnlySpan<char> text, int at, CharacterClass kind, int atMost = int.MaxValue)
    {
        for (var taken = 0; at < text.Length && taken < atMost; taken++)
        {
            if (CharacterClasses.At(text, at, out var length) != kind)
                break;
            at += length;
        }

        return at;
    }

    /// <summary>\s+(?!\S)|\s+ : the run of spaces, less its last one when a word follows and something remains.</summary>
    public static int SpacesBeforeWord(ReadOnlySpan<char> text, int at)
    {
        var end = End(text, at, CharacterClass.Space);
        return end < text.Length && end - at > 1 ? end - 1 : end;
    }
}
