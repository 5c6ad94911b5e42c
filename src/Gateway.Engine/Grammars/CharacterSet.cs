using System.Globalization;

namespace Gateway.Engine.Grammars;

/// <summary>
/// A set of UTF-16 units as ascending ranges. High and low surrogates belong to it all or not at all, because only whole
/// characters can be written. Immutable.
/// </summary>
internal sealed class CharacterSet
{
    private const int Last = 0xFFFF;

    private CharacterSet(IEnumerable<(int Low, int High)> ranges) => Ranges = Normalize(ranges);

    public static CharacterSet All { get; } = new([(0, Last)]);

    public static CharacterSet Digits { get; } = Of(('0', '9'));

    public static CharacterSet Word { get; } = Of(('0', '9'), ('A', 'Z'), ('_', '_'), ('a', 'z'));

    public static CharacterSet Space { get; } = Where(char.IsWhiteSpace);

    /// <summary>The ranges in ascending order, with gaps between them.</summary>
    public IReadOnlyList<(int Low, int High)> Ranges { get; }

    /// <summary>Whether characters beyond the basic plane belong to it, of which each counts as two units.</summary>
    public bool HasSurrogates => Contains(0xD800) || Contains(0xDC00);

    public static CharacterSet Of(params IEnumerable<(int Low, int High)> ranges) => new(ranges);

    public static CharacterSet Where(Func<char, bool> predicate) =>
        new(Enumerable.Range(0, Last + 1).Where(unit => predicate((char)unit)).Select(unit => (unit, unit)));

    /// <summary>A general category of Unicode by its one or two letters; null for an unknown name.</summary>
    public static CharacterSet? Category(string name)
    {
        var categories = Enum.GetValues<UnicodeCategory>().Where(category => Abbreviation(category).StartsWith(name, StringComparison.Ordinal)).ToArray();
        return name.Length is 1 or 2 && categories.Length > 0
            ? Where(unit => categories.AsSpan().Contains(char.GetUnicodeCategory(unit)))
            : null;
    }

    public CharacterSet Union(CharacterSet other) => new([.. Ranges, .. other.Ranges]);

    public CharacterSet Complement()
    {
        var (gaps, from) = (new List<(int, int)>(), 0);
        foreach (var (low, high) in Ranges)
        {
            if (low > from)
            {
                gaps.Add((from, low - 1));
            }

            from = high + 1;
        }

        if (from <= Last)
        {
            gaps.Add((from, Last));
        }

        return new(gaps);
    }

    public bool Contains(int unit)
    {
        var (from, to) = (0, Ranges.Count);
        while (from < to)
        {
            var middle = (from + to) / 2;
            (from, to) = Ranges[middle].High < unit ? (middle + 1, to) : (from, middle);
        }

        return from < Ranges.Count && Ranges[from].Low <= unit;
    }

    private static List<(int Low, int High)> Normalize(IEnumerable<(int Low, int High)> ranges)
    {
        var merged = new List<(int Low, int High)>();
        foreach (var (low, high) in ranges.OrderBy(range => range.Low))
        {
            if (merged.Count > 0 && low <= merged[^1].High + 1)
            {
                merged[^1] = (merged[^1].Low, Math.Max(merged[^1].High, high));
            }
            else
            {
                merged.Add((low, high));
            }
        }

        return DropPart(DropPart(merged, 0xD800, 0xDBFF), 0xDC00, 0xDFFF);
    }

    /// <summary>Without the units of a block that the ranges do not hold as a whole.</summary>
    private static List<(int Low, int High)> DropPart(List<(int Low, int High)> ranges, int first, int last)
    {
        if (ranges.Exists(range => range.Low <= first && range.High >= last))
        {
            return ranges;
        }

        var kept = new List<(int Low, int High)>();
        foreach (var (low, high) in ranges)
        {
            if (low < first)
            {
                kept.Add((low, Math.Min(high, first - 1)));
            }

            if (high > last)
            {
                kept.Add((Math.Max(low, last + 1), high));
            }
        }

        return kept;
    }

    private static string Abbreviation(UnicodeCategory category) => category switch
    {
        UnicodeCategory.UppercaseLetter => "Lu",
        UnicodeCategory.LowercaseLetter => "Ll",
        UnicodeCategory.TitlecaseLetter => "Lt",
        UnicodeCategory.ModifierLetter => "Lm",
        UnicodeCategory.OtherLetter => "Lo",
        UnicodeCategory.NonSpacingMark => "Mn",
        UnicodeCategory.SpacingCombiningMark => "Mc",
        UnicodeCategory.EnclosingMark => "Me",
        UnicodeCategory.DecimalDigitNumber => "Nd",
        UnicodeCategory.LetterNumber => "Nl",
        UnicodeCategory.OtherNumber => "No",
        UnicodeCategory.SpaceSeparator => "Zs",
        UnicodeCategory.LineSeparator => "Zl",
        UnicodeCategory.ParagraphSeparator => "Zp",
        UnicodeCategory.Control => "Cc",
        UnicodeCategory.Format => "Cf",
        UnicodeCategory.Surrogate => "Cs",
        UnicodeCategory.PrivateUse => "Co",
        UnicodeCategory.ConnectorPunctuation => "Pc",
        UnicodeCategory.DashPunctuation => "Pd",
        UnicodeCategory.OpenPunctuation => "Ps",
        UnicodeCategory.ClosePunctuation => "Pe",
        UnicodeCategory.InitialQuotePunctuation => "Pi",
        UnicodeCategory.FinalQuotePunctuation => "Pf",
        UnicodeCategory.OtherPunctuation => "Po",
        UnicodeCategory.MathSymbol => "Sm",
        UnicodeCategory.CurrencySymbol => "Sc",
        UnicodeCategory.ModifierSymbol => "Sk",
        UnicodeCategory.OtherSymbol => "So",
        _ => "Cn",
    };
}
