namespace Gateway.Model.Text;

/// <summary>
/// GPT-2's printable alphabet for bytes: the printable Latin-1 bytes stand for themselves, the 68 others for U+0100 and up
/// (openai/gpt-2, encoder.py).
/// </summary>
internal static class ByteAlphabet
{
    private static readonly char[] s_charOf = Build();
    private static readonly Dictionary<char, byte> s_byteOf =
        Enumerable.Range(0, 256).ToDictionary(value => s_charOf[value], value => (byte)value);

    /// <summary>The character of a byte.</summary>
    public static char CharOf(byte value) => s_charOf[value];

    /// <summary>Bytes as text.</summary>
    public static string Spell(ReadOnlySpan<byte> bytes)
    {
        var spelling = new char[bytes.Length];
        for (var i = 0; i < bytes.Length; i++)
            spelling[i] = s_charOf[bytes[i]];
        return new string(spelling);
    }

    /// <summary>The bytes that a token spells, or null when it holds a character outside the alphabet.</summary>
    public static byte[]? Bytes(string token)
    {
        var bytes = new byte[token.Length];
        for (var i = 0; i < bytes.Length; i++)
        {
            if (!s_byteOf.TryGetValue(token[i], out bytes[i]))
                return null;
        }

        return bytes;
    }

    private static char[] Build()
    {
        var table = new char[256];
        var next = 256;
        for (var value = 0; value < 256; value++)
        {
            var isPrintable = value is (>= '!' and <= '~') or (>= 0xA1 and <= 0xAC) or >= 0xAE;
            table[value] = (char)(isPrintable ? value : next++);
        }

        return table;
    }
}
