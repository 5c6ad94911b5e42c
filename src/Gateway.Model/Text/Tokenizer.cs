using System.Text;
using Gateway.Model.Text.Tokenizing;

namespace Gateway.Model.Text;

/// <summary>
/// Turns text into token ids and back, as a Hugging Face <c>tokenizer.json</c> with a BPE model says.
/// Immutable and thread-safe: one instance serves every caller.
/// </summary>
public sealed class Tokenizer
{
    private readonly Normalizer? _normalizer;
    private readonly PreTokenizer? _preTokenizer;
    private readonly PostProcessor _postProcessor;
    private readonly BytePairModel _model;
    private readonly AddedTokenMatcher _rawTokens;
    private readonly AddedTokenMatcher _normalizedTokens;
    private readonly Dictionary<string, int> _ids;
    private readonly string?[] _tokens;
    private readonly byte[][] _bytes;
    private readonly byte[][]? _firstBytes;
    private readonly bool[] _isSpecial;

    private Tokenizer(TokenizerJson json, TokenizerSettings settings)
    {
        Settings = settings;
        _normalizer = json.Normalizer;
        _preTokenizer = json.PreTokenizer;
        _postProcessor = json.PostProcessor;
        _model = new BytePairModel(json.Model);
        _rawTokens = new AddedTokenMatcher(json.AddedTokens.Where(t => !t.IsNormalized).Select(t => (t.Content, t)));
        _normalizedTokens = new AddedTokenMatcher(json.AddedTokens.Where(t => t.IsNormalized).Select(t => (Spelling(t), t)));

        _ids = new Dictionary<string, int>(json.Model.Vocabulary, StringComparer.Ordinal);
        foreach (var token in json.AddedTokens)
            _ids[token.Content] = token.Id;
        VocabularySize = _ids.Count == 0 ? 0 : _ids.Values.Max() + 1;
        _tokens = new string?[VocabularySize];
        foreach (var (content, id) in _ids)
            _tokens[id] = content;

        _isSpecial = new bool[VocabularySize];
        var isAdded = new bool[VocabularySize];
        foreach (var token in json.AddedTokens)
            (_isSpecial[token.Id], isAdded[token.Id]) = (token.IsSpecial, true);
        _bytes = Spell(first: false);
        _firstBytes = json.Decoder.FirstDiffers ? Spell(first: true) : null;
        LeadingStrip = json.Decoder.LeadingStrip;

        byte[][] Spell(bool first) =>
            [.. _tokens.Select((token, id) => token is null ? [] : json.Decoder.Bytes(token, isAdded[id], first))];
    }

    /// <summary>What tokenizer_config.json adds: the names of special tokens and the chat template.</summary>
    public TokenizerSettings Settings { get; }

    /// <summary>The highest token id plus one.</summary>
    public int VocabularySize { get; }

    /// <summary>Id of the token that begins a text, when the settings name one that exists.</summary>
    public int? BeginOfTextId => TokenToId(Settings.BeginOfTextToken);

    /// <summary>Id of the token that ends a text, when the settings name one that exists.</summary>
    public int? EndOfTextId => TokenToId(Settings.EndOfTextToken);

    /// <summary>What decoding strips from the start of a text.</summary>
    internal (char Character, int Count) LeadingStrip { get; }

    /// <summary>Reads a model directory, or a tokenizer.json with the settings beside it.</summary>
    /// <exception cref="TokenizerException">The file is missing, broken or not supported.</exception>
    public static Tokenizer Load(string path)
    {
        var file = Directory.Exists(path) ? Path.Combine(path, "tokenizer.json") : path;
        if (!File.Exists(file))
            throw new TokenizerException($"'{file}' does not exist; name a folder that holds a tokenizer.json.");
        return Parse(File.ReadAllBytes(file), TokenizerSettings.Load(Path.GetDirectoryName(Path.GetFullPath(file))!));
    }

    /// <summary>Reads the content of a tokenizer.json.</summary>
    /// <exception cref="TokenizerException">The content is broken or not supported.</exception>
    public static Tokenizer Parse(ReadOnlyMemory<byte> tokenizerJson, TokenizerSettings settings) =>
        new(TokenizerJson.Read(tokenizerJson), settings);

    /// <summary>The ids of a text in which special tokens are recognised; optionally with those of the post-processor.</summary>
    /// <remarks>Unpaired surrogates count as U+FFFD.</remarks>
    public int[] Encode(string text, bool addSpecialTokens = false)
    {
        var ids = Encode(text, []);
        return addSpecialTokens ? [.. _postProcessor.Before, .. ids, .. _postProcessor.Behind] : ids;
    }

    /// <summary>The ids of a text; a special token that overlaps a plain span is read as ordinary text.</summary>
    public int[] Encode(string text, ReadOnlySpan<TextSpan> plainSpans)
    {
        var ids = new List<int>((text.Length / 3) + 8);
        Encode(text, plainSpans, ids, null);
        return [.. ids];
    }

    /// <summary>As <see cref="Encode(string, ReadOnlySpan{TextSpan})"/>, with the characters each token covers.</summary>
    public EncodedText EncodeWithOffsets(string text, ReadOnlySpan<TextSpan> plainSpans)
    {
        var (ids, offsets) = (new List<int>(), new List<TextSpan>());
        Encode(text, plainSpans, ids, offsets);
        return new EncodedText([.. ids], [.. offsets]);
    }

    /// <summary>The text of token ids; ids outside the vocabulary have none. Invalid UTF-8 becomes U+FFFD.</summary>
    public string Decode(ReadOnlySpan<int> ids, bool skipSpecialTokens)
    {
        var decoder = new StreamingDecoder(this, skipSpecialTokens);
        return decoder.Push(ids) + decoder.Flush();
    }

    /// <summary>The bytes a token adds to a text, when it does not begin it; empty for an unknown id.</summary>
    public byte[] TokenBytes(int id) => [.. BytesOf(id, first: false)];

    /// <summary>
    /// The bytes a token adds to a text that it begins: some decoders leave out the space before the first word, so there may be
    /// none.
    /// </summary>
    public byte[] FirstTokenBytes(int id)
    {
        var bytes = BytesOf(id, first: true);
        Span<byte> stripped = stackalloc byte[3];
        stripped = stripped[..Encoding.UTF8.GetBytes([LeadingStrip.Character], stripped)];
        for (var i = 0; i < LeadingStrip.Count && bytes.StartsWith(stripped); i++)
            bytes = bytes[stripped.Length..];
        return [.. bytes];
    }

    /// <summary>The id of a token by its exact spelling in the file, or null.</summary>
    public int? TokenToId(string? token) => token is not null && _ids.TryGetValue(token, out var id) ? id : null;

    /// <summary>The spelling of a token in the file, or null for an unknown id.</summary>
    public string? IdToToken(int id) => (uint)id < (uint)_tokens.Length ? _tokens[id] : null;

    /// <summary>Whether the id is an added token marked special.</summary>
    public bool IsSpecial(int id) => (uint)id < (uint)_isSpecial.Length && _isSpecial[id];

    internal ReadOnlySpan<byte> BytesOf(int id, bool first)
    {
        var table = first && _firstBytes is not null ? _firstBytes : _bytes;
        return (uint)id < (uint)table.Length ? table[id] : [];
    }

    /// <summary>
    /// 1 repairs unpaired surrogates, 2 cuts out added tokens that are matched before normalizing, 3 normalizes what
    /// lies between, 4 cuts out those matched after it, 5 splits the rest into pieces and merges each.
    /// </summary>
    private void Encode(string text, ReadOnlySpan<TextSpan> plainSpans, List<int> ids, List<TextSpan>? offsets)
    {
        // 1
        text = Surrogates.Repair(text);
        var plain = new PlainSpans(plainSpans);
        var output = new TokenOutput(ids, offsets);
        for (var at = 0; at < text.Length;)
        {
            // 2
            var token = _rawTokens.Next(text, at, plain, out var start, out var end);
            if (start > at)
            {
                // 3
                var part = AlignedText.Unchanged(at == 0 && start == text.Length ? text : text[at..start], at);
                EncodeNormalized(_normalizer?.Apply(part) ?? part, plain, output);
            }

            if (token is not null)
                output.Add(token.Id, start, end);
            at = end;
        }
    }

    private void EncodeNormalized(AlignedText text, PlainSpans plain, TokenOutput output)
    {
        var seen = plain.SeenFrom(text);
        for (var at = 0; at < text.Text.Length;)
        {
            // 4
            var token = _normalizedTokens.Next(text.Text, at, seen, out var start, out var end);
            if (start > at)
                EncodePieces(new Piece(text, at, start - at), output);
            if (token is not null)
                output.Add(token.Id, text.OriginalStart(start), text.OriginalEnd(end - 1));
            at = end;
        }
    }

    private void EncodePieces(in Piece text, TokenOutput output)
    {
        // 5
        if (_preTokenizer is null)
        {
            output.Add(text, _model.Encode(text.Span));
            return;
        }

        var pieces = new List<Piece>((text.Length / 4) + 1);
        _preTokenizer.Split(text, pieces);
        foreach (var piece in pieces)
            output.Add(piece, _model.Encode(piece.Span));
    }

    private string Spelling(AddedToken token) =>
        _normalizer?.Apply(AlignedText.Unchanged(token.Content, 0)).Text ?? token.Content;
}
