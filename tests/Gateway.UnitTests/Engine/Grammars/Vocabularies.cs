using System.Collections.Concurrent;
using System.IO.Compression;
using System.Text;
using System.Text.Json;
using Gateway.Engine.Grammars;
using Gateway.Model.Text;
using Gateway.TestKit;

namespace Gateway.UnitTests.Engine.Grammars;

/// <summary>Small vocabularies for tests: every byte, words that cross the borders of JSON, and an end token.</summary>
internal static class Vocabularies
{
    private static readonly string[] s_words =
    [
        "{\"", "\":", "\": ", "\",", "\",\"", "\"}", "\"},{\"", "\"]", "[]", "[[", "]]", "{}", "}}", "},", "}]", "\":\"", "\":{\"", "\":[", "\":[\"",
        "\"\"", "\":\"\",\"", "\"a", "a\":", "a\"", "ab", "abc", "name", "names", "na", "me", "true", "false", "null", "tr", "ue", "nu", "ll", "e,",
        "1,", "12", "123", "0.", ".5", "-1", "1]", "2}", "10", "00", "1e", "e+", " ", "  ", ", ", ": ", "\\n", "\\\"", "\\u", "\\u00", "d83d\\ude", "\\\\",
        "\u00E9", "\u4E2D\u6587", "\U0001F600", "caf\u00E9", "\n", "\n  ", "kind", "kind\":\"", "x", "y", "z", "id", "value", "next", "\":null", "e\",",
    ];

    private static readonly ConcurrentDictionary<string, Lazy<TokenVocabulary>> s_oracles = new(StringComparer.Ordinal);

    /// <summary>Bytes, words and <c>&lt;end&gt;</c>, decoded as GPT-2's tokenizer does.</summary>
    public static TokenVocabulary ByteLevel { get; } = Build(extraIds: 3);

    /// <summary>The same with a token for every marker that some family opens or closes calls with, special ones and others.</summary>
    public static TokenVocabulary Marked { get; } = Build(
        extraIds: 3, "<tool_call>", "</tool_call>", "[TOOL_CALLS]*", "<|tool_call|>*", "<|tool_call_start|>*", "<|tool_call_end|>*", "<|python_tag|>*",
        "<｜tool▁calls▁begin｜>", "<｜tool▁call▁begin｜>", "<｜tool▁sep｜>", "<｜tool▁call▁end｜>", "<｜tool▁calls▁end｜>*");

    /// <summary>Id of the end token of <see cref="ByteLevel"/>.</summary>
    public static int End { get; } = ByteLevel.Tokenizer.TokenToId("<end>")!.Value;

    /// <summary>The vocabulary of one of the public tokenizers; read once.</summary>
    public static TokenVocabulary Oracle(string name) => s_oracles.GetOrAdd(name, _ => new Lazy<TokenVocabulary>(() => Load(name))).Value;

    private static TokenVocabulary Load(string name)
    {
        var directory = TestData.Require("oracles/tokenizers/" + name);
        using var gzip = new GZipStream(File.OpenRead(Path.Combine(directory, "tokenizer.json.gz")), CompressionMode.Decompress);
        using var json = new MemoryStream();
        gzip.CopyTo(json);
        var tokenizer = Tokenizer.Parse(json.ToArray(), TokenizerSettings.Load(directory));
        return new TokenVocabulary(tokenizer, tokenizer.VocabularySize);
    }

    /// <summary>The ids of a text, byte by byte.</summary>
    public static int[] Bytes(string text) => [.. Encoding.UTF8.GetBytes(text).Select(value => (int)value)];

    /// <summary>The bytes of some ids.</summary>
    public static byte[] Join(TokenVocabulary vocabulary, IEnumerable<int> ids) =>
        [.. ids.SelectMany((id, index) => vocabulary.Bytes(id, index == 0).ToArray())];

    /// <param name="extraIds">Ids the model has beyond the tokenizer's.</param>
    /// <param name="markers">Tokens of their own; those with a star behind them are special.</param>
    private static TokenVocabulary Build(int extraIds, params string[] markers)
    {
        // Ids 0..255 are the bytes of the same value.
        var vocabulary = new Dictionary<string, int>();
        for (var value = 0; value < 256; value++)
        {
            vocabulary.Add(ByteAlphabet.Spell([(byte)value]), value);
        }

        foreach (var word in s_words)
        {
            vocabulary.TryAdd(ByteAlphabet.Spell(Encoding.UTF8.GetBytes(word)), vocabulary.Count);
        }

        var json = JsonSerializer.SerializeToUtf8Bytes(new
        {
            added_tokens = markers.Prepend("<end>*").Select((marker, index) =>
                new { id = vocabulary.Count + index, content = marker.TrimEnd('*'), special = marker.EndsWith('*') }),
            decoder = new { type = "ByteLevel" },
            pre_tokenizer = new { type = "ByteLevel", add_prefix_space = false, use_regex = false },
            model = new { type = "BPE", vocab = vocabulary, merges = Array.Empty<string>() },
        });
        var tokenizer = Tokenizer.Parse(json, TokenizerSettings.Empty);
        return new TokenVocabulary(tokenizer, tokenizer.VocabularySize + extraIds);
    }
}
