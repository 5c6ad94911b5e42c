using System.Globalization;
using System.Text;

namespace Gateway.Model.Text.Tokenizing;

/// <summary>The classes that split rules tell apart: \p{L}, \p{N}, \s and the rest.</summary>
internal enum CharacterClass : byte
{
    Other,
    Letter,
    Number,
    Space,
}

/// <summary>Classifies code points, never UTF-16 units: letters and digits outside the BMP count as such.</summary>
internal static class CharacterClasses
{
    private static readonly CharacterClass[] s_plane0 = BuildPlane0();

    /// <summary>The class of the code point at an index, and its length in UTF-16 units.</summary>
    public static CharacterClass At(ReadOnlySpan<char> text, int at, out int length)
    {
        var unit = text[at];
        if (char.IsHighSurrogate(unit) && at + 1 < text.Length && char.IsLowSurrogate(text[at + 1]))
        {
            length = 2;
            return Of(Rune.GetUnicodeCategory(new Rune(unit, text[at + 1])));
        }

        length = 1;
        return s_plane0[unit];
    }

    /// <summary>Whether the regular expression class \w holds the code point.</summary>
    public static bool IsWord(UnicodeCategory category) => category
        is <= UnicodeCategory.OtherLetter
        or UnicodeCategory.NonSpacingMark or UnicodeCategory.SpacingCombiningMark or UnicodeCategory.EnclosingMark
        or UnicodeCategory.DecimalDigitNumber or UnicodeCategory.LetterNumber or UnicodeCategory.ConnectorPunctuation;

    private static CharacterClass Of(UnicodeCategory category) => category switch
    {
        <= UnicodeCategory.OtherLetter => CharacterClass.Letter,
        UnicodeCategory.DecimalDigitNumber or UnicodeCategory.LetterNumber or UnicodeCategory.OtherNumber => CharacterClass.Number,
        _ => CharacterClass.Other,
    };

    private static CharacterClass[] BuildPlane0()
    {
        var classes = new CharacterClass[0x10000];
        for (var unit = 0; unit < classes.Length; unit++)
        {
            classes[unit] = char.IsWhiteSpace((char)unit)
                ? CharacterClass.Space
                : Of(CharUnicodeInfo.GetUnicodeCategory((char)unit));
        }

        return classes;
    }
}
