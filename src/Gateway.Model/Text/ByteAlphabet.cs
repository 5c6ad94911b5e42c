using System.Text;

namespace Gateway.Model.Text;

/// <summary>
/// GPT-2's printable alphabet for bytes: the printable Latin-1 bytes stand for themselves, the 68 others for U+0100 and up
/// (openai/gpt-2, encoder.py).
/// </summary>
internal static class ByteAlphabet
{
    private static readonly char[] ToChar = Build();
    private static readonly Dictionary<char, byte> FromChar = ToChar.Select((c, value) => (c, value)).ToDictionary(entry => entry.c, entry => (byte)entry.value);

    /// <summary>The character of a byte.</summary>
    public static char Of(byte value) => ToChar[value];

    /// <summary>The byte of a character, or null when the character is not in the alphabet.</summary>
    public static byte? ByteOf(char character) => FromChar.TryGetValue(character, out var value) ? value : null;

    /// <summary>Bytes as text.</summary>
    public static string ToText(ReadOnlySpan<byte> bytes)
    {
        var builder = new StringBuilder(bytes.Length);
        foreach (var value in bytes)
        {
            builder.Append(ToChar[value]);
        }

        return builder.ToString();
    }

    private static char[] Build()
    {
        var table = new char[256];
        var next = 256;
        for (var value = 0; value < 256; value++)
        {
            var printable = value is (>= '!' and <= '~') or (>= 0xA1 and <= 0xAC) or (>= 0xAE and <= 0xFF);
            table[value] = (char)(printable ? value : next++);
        }

        return table;
    }
}
