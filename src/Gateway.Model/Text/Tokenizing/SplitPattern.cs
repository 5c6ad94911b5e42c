namespace Gateway.Model.Text.Tokenizing;

/// <summary>A rule that finds its matches in a text; immutable and thread-safe.</summary>
internal abstract class SplitPattern
{
    /// <summary>All matches from left to right; none is empty and none overlaps another.</summary>
    public abstract List<(int Start, int End)> Matches(ReadOnlySpan<char> text);

    /// <summary>A hand-written scanner when the regular expression is a published one, else a general one.</summary>
    public static SplitPattern FromRegex(string pattern) => pattern switch
    {
        KnownPatterns.Gpt2 => Gpt2Scanner.Instance,
        KnownPatterns.Llama3 => WordScanner.ThreeDigits,
        KnownPatterns.Qwen2 => WordScanner.SingleDigits,
        _ => new RegexPattern(pattern),
    };
}

/// <summary>Split rules that published tokenizers use, as written in their tokenizer.json.</summary>
internal static class KnownPatterns
{
    public const string Gpt2 =
        @"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";

    public const string Llama3 =
        @"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

    public const string Qwen2 =
        @"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
}

/// <summary>Matches one fixed string.</summary>
internal sealed class LiteralPattern(string literal) : SplitPattern
{
    public override List<(int Start, int End)> Matches(ReadOnlySpan<char> text)
    {
        var matches = new List<(int Start, int End)>();
        if (literal.Length == 0)
            return matches;
        for (var from = 0; text[from..].IndexOf(literal, StringComparison.Ordinal) is >= 0 and var skip; from = matches[^1].End)
            matches.Add((from + skip, from + skip + literal.Length));
        return matches;
    }
}

/// <summary>Says whether the code point at an index belongs to a class, and its length in UTF-16 units.</summary>
internal delegate (bool IsMember, int Length) Classifier(ReadOnlySpan<char> text, int at);

/// <summary>Matches single code points of a class.</summary>
internal sealed class ClassPattern(Classifier classify) : SplitPattern
{
    public override List<(int Start, int End)> Matches(ReadOnlySpan<char> text)
    {
        var matches = new List<(int Start, int End)>();
        for (var at = 0; at < text.Length;)
        {
            var (isMember, length) = classify(text, at);
            if (isMember)
                matches.Add((at, at + length));
            at += length;
        }

        return matches;
    }
}
