using System.Text;

namespace Gateway.Model.Text.Tokenizing;

/// <summary>Collects ids and, when asked, the characters of the input behind each.</summary>
internal sealed class TokenOutput(List<int> ids, List<TextSpan>? offsets)
{
    public void Add(int id, int start, int end)
    {
        ids.Add(id);
        offsets?.Add(new TextSpan(start, end - start));
    }

    public void Add(in Piece piece, EncodedPiece encoded)
    {
        ids.AddRange(encoded.Ids);
        if (offsets is not null)
            AddOffsets(piece, encoded.ByteStarts, offsets);
    }

    /// <summary>Walks characters and byte positions together: both ascend.</summary>
    private static void AddOffsets(in Piece piece, int[] byteStarts, List<TextSpan> offsets)
    {
        var text = piece.Span;
        var (at, atByte) = (0, 0);
        for (var token = 0; token < byteStarts.Length; token++)
        {
            var endByte = token + 1 < byteStarts.Length ? byteStarts[token + 1] : int.MaxValue;
            // The character that holds the token's first byte.
            while (at < text.Length && atByte + Utf8Length(text, at, out var skip) <= byteStarts[token])
                (at, atByte) = (at + skip, atByte + Utf8Length(text, at, out _));
            var (last, lastByte) = (at, atByte);
            while (last < text.Length && lastByte < endByte)
            {
                lastByte += Utf8Length(text, last, out var length);
                last += length;
            }

            var start = piece.Text.OriginalStart(piece.Start + at);
            offsets.Add(new TextSpan(start, piece.Text.OriginalEnd(piece.Start + last - 1) - start));
        }
    }

    private static int Utf8Length(ReadOnlySpan<char> text, int at, out int length)
    {
        Rune.DecodeFromUtf16(text[at..], out var rune, out length);
        return rune.Utf8SequenceLength;
    }
}

/// <summary>Replaces unpaired surrogates, which UTF-8 cannot hold, by U+FFFD; lengths stay the same.</summary>
internal static class Surrogates
{
    public static string Repair(string text)
    {
        var at = text.AsSpan().IndexOfAnyInRange('\uD800', '\uDFFF');
        if (at < 0)
            return text;
        char[]? repaired = null;
        for (; at < text.Length; at++)
        {
            if (!char.IsSurrogate(text[at]))
                continue;
            if (char.IsHighSurrogate(text[at]) && at + 1 < text.Length && char.IsLowSurrogate(text[at + 1]))
                at++;
            else
                (repaired ??= text.ToCharArray())[at] = '\uFFFD';
        }

        return repaired is null ? text : new string(repaired);
    }
}
