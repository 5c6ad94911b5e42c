using Gateway.Model.Text;

namespace Gateway.Engine.Grammars;

/// <summary>
/// What grammars need to know of a tokenizer: the bytes each token adds to a reply. Special tokens add none and are never
/// allowed inside one. Built once per model; immutable and thread-safe.
/// </summary>
public sealed class TokenVocabulary
{
    private readonly byte[][] _bytes;
    private readonly byte[][] _firstBytes;

    /// <summary>Reads the tokens of <paramref name="tokenizer"/>.</summary>
    /// <param name="tokenizer">Turns forced text into tokens, too.</param>
    /// <param name="size">Ids the model can produce, at least the tokenizer's; the surplus is never allowed.</param>
    /// <exception cref="ArgumentOutOfRangeException">The model has fewer ids than the tokenizer.</exception>
    public TokenVocabulary(Tokenizer tokenizer, int size)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(size, tokenizer.VocabularySize);
        Tokenizer = tokenizer;
        Size = size;
        _bytes = [.. Enumerable.Range(0, size).Select(id => tokenizer.IsSpecial(id) ? [] : tokenizer.TokenBytes(id))];
        Tokens = new TokenTrie(_bytes);
        byte[][] first = [.. Enumerable.Range(0, size).Select(id => tokenizer.IsSpecial(id) ? [] : tokenizer.FirstTokenBytes(id))];
        var isSame = _bytes.Zip(first).All(pair => pair.First.AsSpan().SequenceEqual(pair.Second));
        (_firstBytes, FirstTokens) = isSame ? (_bytes, Tokens) : (first, new TokenTrie(first));
    }

    /// <summary>Number of token ids.</summary>
    public int Size { get; }

    /// <summary>64-bit words of a mask.</summary>
    public int MaskWords => (Size + 63) / 64;

    internal Tokenizer Tokenizer { get; }

    /// <summary>Tokens by the bytes they add.</summary>
    internal TokenTrie Tokens { get; }

    /// <summary>The same for the first token of a reply, which some decoders strip of a leading space.</summary>
    internal TokenTrie FirstTokens { get; }

    internal ReadOnlySpan<byte> Bytes(int token, bool first) =>
        (uint)token >= (uint)Size ? [] : first ? _firstBytes[token] : _bytes[token];
}
