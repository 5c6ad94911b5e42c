using System.Text.Json;

namespace Gateway.Model.Text.Tokenizing;

/// <summary>The parts of a tokenizer.json, read and checked.</summary>
/// <remarks><c>truncation</c> and <c>padding</c> are batching defaults of other programs and do not apply here.</remarks>
internal sealed record TokenizerJson(
    IReadOnlyList<AddedToken> AddedTokens,
    Normalizer? Normalizer,
    PreTokenizer? PreTokenizer,
    PostProcessor PostProcessor,
    TokenDecoder Decoder,
    BytePairSettings Model)
{
    public static TokenizerJson Read(ReadOnlyMemory<byte> utf8)
    {
        try
        {
            using var document = JsonDocument.Parse(utf8);
            return Read(document.RootElement);
        }
        catch (Exception problem) when (problem is JsonException or InvalidOperationException or FormatException)
        {
            throw new TokenizerException(
                $"tokenizer.json is not a valid tokenizer file ({problem.Message}); download it again.", problem);
        }
    }

    private static TokenizerJson Read(JsonElement root)
    {
        var added = root.Optional("added_tokens")?.EnumerateArray().Select(AddedToken.Read).ToArray() ?? [];
        var preTokenizer = PreTokenizer.Read(root.Optional("pre_tokenizer"), out var byteLevel);
        return new TokenizerJson(
            added,
            Normalizer.Read(root.Optional("normalizer")),
            preTokenizer,
            PostProcessor.Read(root.Optional("post_processor")),
            TokenDecoder.Read(root.Optional("decoder")),
            ReadModel(root.Required("model"), byteLevel));
    }

    private static BytePairSettings ReadModel(JsonElement model, bool byteLevel)
    {
        if (model.String("type") is { } type && type != "BPE")
            throw TokenizerException.Unsupported($"the model type '{type}'");
        if (model.Optional("dropout") is not null)
            throw TokenizerException.Unsupported("'dropout'");
        foreach (var name in new[] { "continuing_subword_prefix", "end_of_word_suffix" })
        {
            if (!string.IsNullOrEmpty(model.String(name)))
                throw TokenizerException.Unsupported($"'{name}'");
        }

        var vocabulary = new Dictionary<string, int>(StringComparer.Ordinal);
        foreach (var entry in model.Required("vocab").EnumerateObject())
            vocabulary[entry.Name] = CheckedId(entry.Value, entry.Name);
        int? unknown = model.String("unk_token") is { } unknownToken ? Id(vocabulary, unknownToken) : null;
        return new BytePairSettings(
            vocabulary,
            new MergeTable([.. model.Required("merges").EnumerateArray().Select(m => ReadMerge(m, vocabulary))]),
            unknown,
            model.Flag("fuse_unk"),
            model.Flag("byte_fallback"),
            model.Flag("ignore_merges"),
            byteLevel);
    }

    private static (int Left, int Right, int Id) ReadMerge(JsonElement merge, Dictionary<string, int> vocabulary)
    {
        string left, right;
        if (merge.ValueKind == JsonValueKind.Array && merge.GetArrayLength() == 2)
        {
            (left, right) = (merge[0].GetString()!, merge[1].GetString()!);
        }
        else
        {
            var both = merge.GetString()!;
            var space = both.IndexOf(' ', StringComparison.Ordinal);
            if (space < 0)
                throw new TokenizerException($"tokenizer.json: the merge '{both}' is not a pair; download the file again.");
            (left, right) = (both[..space], both[(space + 1)..]);
        }

        return (Id(vocabulary, left), Id(vocabulary, right), Id(vocabulary, left + right));
    }

    private static int CheckedId(JsonElement value, string token) =>
        value.TryGetInt32(out var id) && id is >= 0 and < 1 << 24
            ? id
            : throw new TokenizerException($"tokenizer.json: the token '{token}' has the id {value.GetRawText()}, which is out of range.");

    private static int Id(Dictionary<string, int> vocabulary, string token) =>
        vocabulary.TryGetValue(token, out var id)
            ? id
            : throw new TokenizerException($"tokenizer.json: the token '{token}' is not in the vocabulary; download the file again.");
}
