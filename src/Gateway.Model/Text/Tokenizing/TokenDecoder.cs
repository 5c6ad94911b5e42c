using System.Text;
using System.Text.Json;

namespace Gateway.Model.Text.Tokenizing;

/// <summary>
/// The decoder of a tokenizer.json, reduced to the bytes of each token and what is stripped from the start of a text;
/// that makes decoding a stream the same as decoding the whole. Invalid UTF-8 becomes U+FFFD. Immutable.
/// </summary>
internal sealed class TokenDecoder
{
    private readonly List<Func<TokenText, TokenText>> _steps = [];
    private string? _metaspace;
    private bool _fused;

    private TokenDecoder()
    {
    }

    /// <summary>The character stripped from the start of a whole text, and how many of it at most.</summary>
    public (char Character, int Count) LeadingStrip { get; private set; }

    public static TokenDecoder Read(JsonElement? element)
    {
        var decoder = new TokenDecoder();
        decoder.Add(element ?? throw TokenizerException.Unsupported("a tokenizer without decoder"));
        return decoder;
    }

    /// <summary>The bytes of a token; <paramref name="first"/> when it begins the text.</summary>
    public byte[] Bytes(string token, bool isAdded, bool first)
    {
        var text = new TokenText(token, null, isAdded, first);
        foreach (var step in _steps)
            text = step(text);
        return text.Bytes ?? Encoding.UTF8.GetBytes(text.Text);
    }

    /// <summary>Whether the first token of a text may decode otherwise than later ones.</summary>
    public bool FirstDiffers => _metaspace is not null;

    private void Add(JsonElement json)
    {
        switch (json.Type())
        {
            case "Sequence":
                foreach (var step in json.Required("decoders").EnumerateArray())
                    Add(step);
                break;
            case "ByteLevel":
                // An added token is spelled as it is read, not in the byte alphabet.
                _steps.Add(t => t.IsAdded || ByteAlphabet.Bytes(t.Text) is not { } bytes ? t : t with { Bytes = bytes });
                break;
            case "ByteFallback":
                _steps.Add(t => ByteToken.TryParse(t.Text, out var value) ? t with { Bytes = [value] } : t);
                break;
            case "Fuse":
                _fused = true;
                break;
            case "Replace":
                AddReplace(json);
                break;
            case "Metaspace":
                AddMetaspace(json);
                break;
            case "Strip":
                AddStrip(json);
                break;
            case var other:
                throw TokenizerException.Unsupported($"the decoder '{other}'");
        }
    }

    private void AddReplace(JsonElement json)
    {
        var pattern = json.Required("pattern").String("String");
        var content = json.String("content") ?? "";
        if (string.IsNullOrEmpty(pattern) || (_fused && pattern.Length > 1))
            throw TokenizerException.Unsupported($"the decoder pattern {json.Required("pattern").GetRawText()}");
        _steps.Add(t => t.Bytes is null ? t with { Text = t.Text.Replace(pattern, content, StringComparison.Ordinal) } : t);
    }

    private void AddMetaspace(JsonElement json)
    {
        var replacement = json.String("replacement") ?? "\u2581";
        _metaspace = MetaspacePreTokenizer.Scheme(json) == "never" ? null : replacement;
        _steps.Add(t => t with
        {
            Text = t.Text.Replace(replacement, t.IsFirst && _metaspace is not null ? "" : " ", StringComparison.Ordinal),
        });
    }

    private void AddStrip(JsonElement json)
    {
        var (content, start, stop) = (json.String("content") ?? " ", json.Integer("start"), json.Integer("stop"));
        if (content.Length != 1)
            throw TokenizerException.Unsupported($"the decoder Strip of '{content}'");
        if (_fused)
        {
            if (stop != 0)
                throw TokenizerException.Unsupported("a decoder that strips the end of the text");
            LeadingStrip = (content[0], start);
            return;
        }

        _steps.Add(t => t.Bytes is null ? t with { Text = StripToken(t.Text, content[0], start, stop) } : t);
    }

    private static string StripToken(string text, char character, int start, int stop)
    {
        var (from, to) = (0, text.Length);
        while (from < to && from < start && text[from] == character)
            from++;
        while (to > from && text.Length - to < stop && text[to - 1] == character)
            to--;
        return text[from..to];
    }

    private readonly record struct TokenText(string Text, byte[]? Bytes, bool IsAdded, bool IsFirst);
}
