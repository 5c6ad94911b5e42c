using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;

namespace Gateway.Model.Text.Tokenizing;

/// <summary>
/// Any other regular expression of a tokenizer file. .NET matches UTF-16 units, so every code point outside the BMP is
/// shown to the expression as one BMP stand-in of the same general category; matching time is limited.
/// </summary>
internal sealed class RegexPattern : SplitPattern
{
    private static readonly TimeSpan s_timeout = TimeSpan.FromSeconds(2);
    private static readonly char[] s_standIns = BuildStandIns();

    private readonly string _source;
    private readonly Regex _regex;

    public RegexPattern(string pattern)
    {
        _source = pattern;
        if (pattern.AsSpan().IndexOfAnyInRange('\uD800', '\uDFFF') >= 0)
            throw TokenizerException.Unsupported($"a character outside the BMP in the split pattern '{pattern}'");
        try
        {
            // Oniguruma's default syntax lets ^ and $ match at every line, as Multiline does.
            _regex = new Regex(
                PossessiveQuantifiers.ToAtomicGroups(pattern), RegexOptions.CultureInvariant | RegexOptions.Multiline, s_timeout);
        }
        catch (ArgumentException problem)
        {
            throw new TokenizerException(
                $"tokenizer.json: the split pattern '{pattern}' is not understood ({problem.Message}); use a checkpoint with another pattern.",
                problem);
        }
    }

    public override List<(int Start, int End)> Matches(ReadOnlySpan<char> text)
    {
        try
        {
            return text.IndexOfAnyInRange('\uD800', '\uDFFF') < 0 ? MatchUnits(text) : MatchStandIns(text);
        }
        catch (RegexMatchTimeoutException problem)
        {
            throw new TokenizerException(
                $"The split pattern '{_source}' took too long on a text of {text.Length} characters; shorten the text.", problem);
        }
    }

    private List<(int Start, int End)> MatchUnits(ReadOnlySpan<char> text)
    {
        var matches = new List<(int Start, int End)>();
        foreach (var match in _regex.EnumerateMatches(text))
        {
            if (match.Length > 0)
                matches.Add((match.Index, match.Index + match.Length));
        }

        return matches;
    }

    private List<(int Start, int End)> MatchStandIns(ReadOnlySpan<char> text)
    {
        var units = new char[text.Length];
        var origins = new int[text.Length + 1];
        var count = 0;
        for (var at = 0; at < text.Length; count++)
        {
            var isPair = char.IsHighSurrogate(text[at]) && at + 1 < text.Length;
            origins[count] = at;
            units[count] = isPair ? s_standIns[(int)Rune.GetUnicodeCategory(new Rune(text[at], text[at + 1]))] : text[at];
            at += isPair ? 2 : 1;
        }

        origins[count] = text.Length;
        var matches = MatchUnits(units.AsSpan(0, count));
        return matches.ConvertAll(match => (origins[match.Start], origins[match.End]));
    }

    /// <summary>For each general category the highest BMP unit that has it: full-width forms, which patterns do not name.</summary>
    private static char[] BuildStandIns()
    {
        var standIns = new char[30];
        for (var unit = 1; unit <= 0xFFFF; unit++)
            standIns[(int)CharUnicodeInfo.GetUnicodeCategory((char)unit)] = (char)unit;
        return standIns;
    }
}
