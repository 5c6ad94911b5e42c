using System.Text;
using System.Text.Json;
using Gateway.Model.Text;

namespace Gateway.UnitTests.Model.Text;

/// <summary>A small tokenizer and small values, made without outside data.</summary>
internal static class TextSamples
{
    public static readonly DateTimeOffset Now = new(2025, 1, 5, 9, 7, 0, TimeSpan.Zero);

    public static readonly string[] SpecialTokens = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"];

    public static Tokenizer Trained { get; } = Tokenizer.Parse(
        TokenizerFiles.TokenizerJson(BpeTrainer.Train(
            ["the quick brown fox jumps over the lazy dog", "user assistant system hello hello world the the"],
            new BpeTrainingOptions(320, SpecialTokens))),
        new TokenizerSettings { EndOfTextToken = "<|im_end|>" });

    public static JsonElement Json(string json)
    {
        using var document = JsonDocument.Parse(json);
        return document.RootElement.Clone();
    }

    public static string Render(string source, string variables = "{}") => RenderAll(source, variables).Text;

    public static RenderedTemplate RenderAll(string source, string variables = "{}") => ChatTemplate.Parse(source).Render(
        Json(variables).EnumerateObject().Select(v => KeyValuePair.Create(v.Name, v.Value)), [], Now);

    /// <summary>The tokenizer.json of a vocabulary, with other parts as raw JSON.</summary>
    public static Tokenizer Custom(
        IEnumerable<string> vocabulary, string merges = "[]", string preTokenizer = "null", string normalizer = "null",
        string decoder = """{"type":"Fuse"}""", string added = "[]", string model = "") =>
        Tokenizer.Parse(
            Encoding.UTF8.GetBytes($$"""
            {"added_tokens":{{added}},"normalizer":{{normalizer}},"pre_tokenizer":{{preTokenizer}},"post_processor":null,"decoder":{{decoder}},
             "model":{"type":"BPE","dropout":null,{{model}}"vocab":{{JsonSerializer.Serialize(vocabulary.Select((token, id) => (token, id)).ToDictionary(e => e.token, e => e.id))}},"merges":{{merges}} } }
            """),
            TokenizerSettings.Empty);
}
