using System.Text;

namespace Gateway.Model.Text.Templates;

/// <summary>Reads values as sequences; a string is a sequence of code points, not of UTF-16 units.</summary>
internal static class Sequences
{
    public static IReadOnlyList<Value> Items(Value value) => value switch
    {
        ListValue list => list.Items,
        DictionaryValue dictionary => [.. dictionary.Keys],
        StringValue text => Characters(text.Content),
        UndefinedValue => [],
        _ => throw TemplateException.Runtime($"'{value.TypeName}' object is not iterable; pass a list."),
    };

    public static long Length(Value value) => value switch
    {
        ListValue list => list.Items.Count,
        DictionaryValue dictionary => dictionary.Count,
        StringValue text => CountCharacters(text.Text),
        UndefinedValue => 0,
        _ => throw TemplateException.Runtime($"object of type '{value.TypeName}' has no len()."),
    };

    /// <summary>The UTF-16 index of a code point index.</summary>
    public static int UnitIndex(string text, long character)
    {
        var at = 0;
        for (; character > 0 && at < text.Length; character--)
            at += char.IsSurrogatePair(text, at) ? 2 : 1;
        return at;
    }

    public static int CountCharacters(ReadOnlySpan<char> text)
    {
        var count = text.Length;
        foreach (var rune in text.EnumerateRunes())
            count -= rune.Utf16SequenceLength - 1;
        return count;
    }

    private static List<Value> Characters(MarkedText text)
    {
        var characters = new List<Value>(text.Text.Length);
        for (var at = 0; at < text.Text.Length;)
        {
            Rune.DecodeFromUtf16(text.Text.AsSpan(at), out _, out var length);
            characters.Add(new StringValue(text.Slice(at, length)));
            at += length;
        }

        return characters;
    }
}
