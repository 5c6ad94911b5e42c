using System.Text;

namespace Gateway.Model.Text;

/// <summary>
/// Decodes ids one by one; the pieces joined equal <see cref="Tokenizer.Decode"/> of all ids, and none ends inside a
/// character. Not thread-safe: one per stream.
/// </summary>
public sealed class StreamingDecoder
{
    private readonly Tokenizer _tokenizer;
    private readonly bool _skipSpecialTokens;
    private readonly IReadOnlySet<int>? _kept;
    private readonly Decoder _utf8 = new UTF8Encoding(false, throwOnInvalidBytes: false).GetDecoder();
    private char[] _chars = new char[64];
    private int _toStrip;
    private bool _isFirst = true;

    /// <summary>Starts a stream; special tokens are left out when asked, but for those in <paramref name="kept"/>.</summary>
    public StreamingDecoder(Tokenizer tokenizer, bool skipSpecialTokens, IReadOnlySet<int>? kept = null)
    {
        _tokenizer = tokenizer;
        _skipSpecialTokens = skipSpecialTokens;
        _kept = kept;
        _toStrip = tokenizer.LeadingStrip.Count;
    }

    /// <summary>Takes one id and returns the text that is complete now, often empty inside a character.</summary>
    public string Push(int id) => Push([id]);

    /// <summary>Takes several ids and returns the text that is complete now.</summary>
    public string Push(ReadOnlySpan<int> ids)
    {
        var count = 0;
        foreach (var id in ids)
        {
            if (_skipSpecialTokens && _tokenizer.IsSpecial(id) && _kept?.Contains(id) != true)
                continue;
            count = Decode(_tokenizer.BytesOf(id, _isFirst), flush: false, count);
            _isFirst = false;
        }

        return Take(count);
    }

    /// <summary>Ends the stream: an unfinished character becomes U+FFFD.</summary>
    public string Flush() => Take(Decode([], flush: true, 0));

    private int Decode(ReadOnlySpan<byte> bytes, bool flush, int count)
    {
        var needed = count + bytes.Length + 4;
        if (needed > _chars.Length)
            Array.Resize(ref _chars, Math.Max(needed, _chars.Length * 2));
        return count + _utf8.GetChars(bytes, _chars.AsSpan(count), flush);
    }

    private string Take(int count)
    {
        var start = 0;
        while (start < count && _toStrip > 0)
        {
            _toStrip = _chars[start] == _tokenizer.LeadingStrip.Character ? _toStrip - 1 : 0;
            if (_chars[start] != _tokenizer.LeadingStrip.Character)
                break;
            start++;
        }

        return new string(_chars, start, count - start);
    }
}
