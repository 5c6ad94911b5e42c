using System.Buffers;
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
    private byte[] _bytes = new byte[64];
    private int _byteCount;
    private char[] _chars = new char[64];
    private int _toStrip;
    private bool _isFirst = true;

    /// <summary>Starts a stream; special tokens are left out when asked.</summary>
    public StreamingDecoder(Tokenizer tokenizer, bool skipSpecialTokens)
    {
        _tokenizer = tokenizer;
        _skipSpecialTokens = skipSpecialTokens;
        _toStrip = tokenizer.LeadingStrip.Count;
    }

    /// <summary>Takes one id and returns the text that is complete now, often empty inside a character.</summary>
    public string Push(int id) => Push([id]);

    /// <summary>Takes several ids and returns the text that is complete now.</summary>
    public string Push(ReadOnlySpan<int> ids)
    {
        foreach (var id in ids)
        {
            if (_skipSpecialTokens && _tokenizer.IsSpecial(id))
                continue;
            var bytes = _tokenizer.BytesOf(id, _isFirst);
            if (_byteCount + bytes.Length > _bytes.Length)
                Array.Resize(ref _bytes, Math.Max(_byteCount + bytes.Length, _bytes.Length * 2));
            bytes.CopyTo(_bytes.AsSpan(_byteCount));
            _byteCount += bytes.Length;
            _isFirst = false;
        }

        return Take(DecodeComplete());
    }

    /// <summary>Ends the stream: an unfinished character becomes U+FFFD.</summary>
    public string Flush()
    {
        var count = DecodeComplete();
        if (_byteCount > 0)
            _chars[count++] = '\uFFFD';
        _byteCount = 0;
        return Take(count);
    }

    /// <summary>Decodes all bytes but those of an unfinished character at the end, which are kept.</summary>
    /// <remarks>System.Text.Decoder counts the U+FFFD of a broken character otherwise when it is split between calls.</remarks>
    private int DecodeComplete()
    {
        if (_chars.Length < _byteCount + 1)
            _chars = new char[Math.Max(_byteCount + 1, _chars.Length * 2)];
        var (at, count) = (0, 0);
        while (Rune.DecodeFromUtf8(_bytes.AsSpan(at, _byteCount - at), out var rune, out var length) != OperationStatus.NeedMoreData)
        {
            count += rune.EncodeToUtf16(_chars.AsSpan(count));
            at += length;
        }

        _bytes.AsSpan(at, _byteCount - at).CopyTo(_bytes);
        _byteCount -= at;
        return count;
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
