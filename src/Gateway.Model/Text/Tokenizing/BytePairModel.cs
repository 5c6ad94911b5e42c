using System.Collections.Concurrent;
using System.Text;

namespace Gateway.Model.Text.Tokenizing;

/// <summary>What a BPE model in tokenizer.json says, with the vocabulary resolved.</summary>
internal sealed record BytePairSettings(
    IReadOnlyDictionary<string, int> Vocabulary,
    MergeTable Merges,
    int? UnknownId,
    bool FuseUnknown,
    bool ByteFallback,
    bool IgnoreMerges,
    bool ByteLevel);

/// <summary>
/// Encodes one piece of text by byte pair encoding (Sennrich et al., 2016), over bytes or over characters with byte
/// fallback. Thread-safe; short pieces are remembered in a bounded cache that never changes a result.
/// </summary>
internal sealed class BytePairModel
{
    private const int CacheCapacity = 1 << 16;
    private const int LongestCachedPiece = 48;

    private readonly BytePairSettings _settings;
    private readonly int[] _byteIds = new int[256];
    private readonly ConcurrentDictionary<string, EncodedPiece> _cache = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<string, EncodedPiece>.AlternateLookup<ReadOnlySpan<char>> _cacheBySpan;
    private readonly Dictionary<string, int> _vocabulary;
    private readonly Dictionary<string, int>.AlternateLookup<ReadOnlySpan<char>> _vocabularyBySpan;
    private int _cached;

    public BytePairModel(BytePairSettings settings)
    {
        _settings = settings;
        _vocabulary = new Dictionary<string, int>(settings.Vocabulary, StringComparer.Ordinal);
        _vocabularyBySpan = _vocabulary.GetAlternateLookup<ReadOnlySpan<char>>();
        _cacheBySpan = _cache.GetAlternateLookup<ReadOnlySpan<char>>();
        for (var value = 0; value < 256; value++)
        {
            var spelling = settings.ByteLevel ? ByteAlphabet.CharOf((byte)value).ToString() : ByteToken.Spell((byte)value);
            var known = (settings.ByteLevel || settings.ByteFallback) && _vocabulary.ContainsKey(spelling);
            _byteIds[value] = known ? _vocabulary[spelling] : -1;
        }
    }

    public EncodedPiece Encode(ReadOnlySpan<char> piece)
    {
        if (piece.Length > LongestCachedPiece)
            return EncodeUncached(piece);
        if (_cacheBySpan.TryGetValue(piece, out var known))
            return known;
        var encoded = EncodeUncached(piece);
        if (Volatile.Read(ref _cached) < CacheCapacity && _cache.TryAdd(piece.ToString(), encoded))
            Interlocked.Increment(ref _cached);
        return encoded;
    }

    private EncodedPiece EncodeUncached(ReadOnlySpan<char> piece)
    {
        if (_settings.IgnoreMerges && WholePieceId(piece) is { } id)
            return new EncodedPiece([id], [0]);
        var loop = MergeLoop.ForThread;
        if (_settings.ByteLevel)
            AddBytes(piece, loop);
        else
            AddCharacters(piece, loop);
        return loop.Run(_settings.Merges);
    }

    private int? WholePieceId(ReadOnlySpan<char> piece)
    {
        if (_settings.ByteLevel)
        {
            var bytes = new byte[Encoding.UTF8.GetMaxByteCount(piece.Length)];
            piece = ByteAlphabet.Spell(bytes.AsSpan(0, Encoding.UTF8.GetBytes(piece, bytes)));
        }

        return _vocabularyBySpan.TryGetValue(piece, out var id) ? id : null;
    }

    private void AddBytes(ReadOnlySpan<char> piece, MergeLoop loop)
    {
        Span<byte> buffer = stackalloc byte[256];
        var at = 0;
        while (!piece.IsEmpty)
        {
            var chars = Math.Min(piece.Length, 64);
            if (chars < piece.Length && char.IsHighSurrogate(piece[chars - 1]))
                chars--;
            var count = Encoding.UTF8.GetBytes(piece[..chars], buffer);
            for (var i = 0; i < count; i++, at++)
                AddByte(buffer[i], at, loop);
            piece = piece[chars..];
        }
    }

    private void AddByte(byte value, int at, MergeLoop loop)
    {
        if (_byteIds[value] >= 0)
            loop.Add(_byteIds[value], at);
        else
            AddUnknown(at, loop);
    }

    private void AddCharacters(ReadOnlySpan<char> piece, MergeLoop loop)
    {
        Span<byte> bytes = stackalloc byte[4];
        var at = 0;
        foreach (var rune in piece.EnumerateRunes())
        {
            var count = rune.EncodeToUtf8(bytes);
            if (_vocabularyBySpan.TryGetValue(piece[..rune.Utf16SequenceLength], out var id))
                loop.Add(id, at);
            else if (HasAllBytes(bytes[..count]))
                AddFallbackBytes(bytes[..count], at, loop);
            else
                AddUnknown(at, loop);
            at += count;
            piece = piece[rune.Utf16SequenceLength..];
        }
    }

    private bool HasAllBytes(ReadOnlySpan<byte> bytes)
    {
        foreach (var value in bytes)
        {
            if (_byteIds[value] < 0)
                return false;
        }

        return true;
    }

    private void AddFallbackBytes(ReadOnlySpan<byte> bytes, int at, MergeLoop loop)
    {
        for (var i = 0; i < bytes.Length; i++)
            loop.Add(_byteIds[bytes[i]], at + i);
    }

    /// <summary>Without an unknown token the character is dropped, as the published implementation does.</summary>
    private void AddUnknown(int at, MergeLoop loop)
    {
        if (_settings.UnknownId is { } unknown && !(_settings.FuseUnknown && loop.LastId == unknown))
            loop.Add(unknown, at);
    }
}

/// <summary>The spelling of single bytes in vocabularies with byte fallback: &lt;0x0A&gt;.</summary>
internal static class ByteToken
{
    public static string Spell(byte value) => $"<0x{value:X2}>";

    public static bool TryParse(string token, out byte value)
    {
        value = 0;
        return token.Length == 6 && token.StartsWith("<0x", StringComparison.Ordinal) && token[5] == '>'
            && byte.TryParse(token.AsSpan(3, 2), System.Globalization.NumberStyles.AllowHexSpecifier,
                System.Globalization.CultureInfo.InvariantCulture, out value);
    }
}
