using System.Buffers;
using System.Text;
using System.Text.Json;

namespace Gateway.Model.Text.Tokenizing;

/// <summary>A token that is cut out of the text as a whole, before any splitting.</summary>
internal sealed record AddedToken(
    int Id, string Content, bool IsSpecial, bool IsSingleWord, bool StripsLeft, bool StripsRight, bool IsNormalized)
{
    public static AddedToken Read(JsonElement json)
    {
        var isSpecial = json.Flag("special");
        return new AddedToken(
            json.Integer("id"),
            json.String("content") ?? throw new TokenizerException("tokenizer.json: an added token has no content; download the file again."),
            isSpecial,
            json.Flag("single_word"),
            json.Flag("lstrip"),
            json.Flag("rstrip"),
            json.Flag("normalized", !isSpecial));
    }
}

/// <summary>
/// Finds added tokens in a text, leftmost first and longest on ties; immutable and thread-safe.
/// </summary>
internal sealed class AddedTokenMatcher
{
    private readonly Dictionary<char, (string Content, AddedToken Token)[]> _byFirst;
    private readonly SearchValues<char> _firsts;

    /// <summary>Searches for the given spellings, which differ from the contents when a normalizer changes them.</summary>
    public AddedTokenMatcher(IEnumerable<(string Spelling, AddedToken Token)> tokens)
    {
        _byFirst = tokens
            .Where(t => t.Spelling.Length > 0)
            .GroupBy(t => t.Spelling[0])
            .ToDictionary(g => g.Key, g => g.OrderByDescending(t => t.Spelling.Length).ToArray());
        _firsts = SearchValues.Create([.. _byFirst.Keys]);
    }

    /// <summary>
    /// The next token at or behind <paramref name="from"/>, with the whitespace it swallows; matches that
    /// <paramref name="isPlain"/> declares to be plain text are passed over.
    /// </summary>
    public AddedToken? Next(ReadOnlySpan<char> text, int from, IPlainRanges isPlain, out int start, out int end)
    {
        start = end = text.Length;
        for (var at = from; at < text.Length; at++)
        {
            var skip = text[at..].IndexOfAny(_firsts);
            if (skip < 0)
                return null;
            at += skip;
            if (Longest(text, at, isPlain, out var length) is not { } token)
                continue;
            if (token.IsSingleWord && !StandsAlone(text, at, at + length))
            {
                at += length - 1;
                continue;
            }

            start = token.StripsLeft ? Math.Max(from, text[..at].TrimEnd().Length) : at;
            end = token.StripsRight ? text.Length - text[(at + length)..].TrimStart().Length : at + length;
            return token;
        }

        return null;
    }

    private AddedToken? Longest(ReadOnlySpan<char> text, int at, IPlainRanges plain, out int length)
    {
        foreach (var (spelling, token) in _byFirst[text[at]])
        {
            if (text[at..].StartsWith(spelling, StringComparison.Ordinal)
                && !(token.IsSpecial && plain.Overlaps(at, at + spelling.Length)))
            {
                length = spelling.Length;
                return token;
            }
        }

        length = 0;
        return null;
    }

    private static bool StandsAlone(ReadOnlySpan<char> text, int start, int end)
    {
        var wordBefore = start > 0
            && Rune.DecodeLastFromUtf16(text[..start], out var before, out _) == OperationStatus.Done
            && CharacterClasses.IsWord(Rune.GetUnicodeCategory(before));
        var wordBehind = end < text.Length
            && Rune.DecodeFromUtf16(text[end..], out var behind, out _) == OperationStatus.Done
            && CharacterClasses.IsWord(Rune.GetUnicodeCategory(behind));
        return !wordBefore && !wordBehind;
    }
}

/// <summary>Answers whether a range of the searched text comes from a plain span of the input.</summary>
internal interface IPlainRanges
{
    bool Overlaps(int start, int end);
}
