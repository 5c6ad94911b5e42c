using System.Text;
using Gateway.Model.Text;
using Xunit;

namespace Gateway.UnitTests.Model.Text;

public sealed class TokenizerTests
{
    private static readonly string[] s_hard =
    [
        "", " ", "\n", "the quick brown fox", "don't  DON'T 'ſ 12345", "\U00020000\U0001D400\U0001D7D8 x", "👩‍👩‍👧‍👦 ok", "e\u0301\u00E9",
        "a\r\n\r\n  b\t", "\u00A0\u3000x", "مرحبا 你好 नमस्ते", "<|im_start|>user\nhi<|im_end|>",
    ];

    [Fact]
    public void Decoding_what_was_encoded_gives_the_text_back()
    {
        foreach (var text in s_hard)
            Assert.Equal(text, TextSamples.Trained.Decode(TextSamples.Trained.Encode(text), skipSpecialTokens: false));
    }

    [Fact]
    public void An_unpaired_surrogate_counts_as_the_replacement_character()
    {
        Assert.Equal(TextSamples.Trained.Encode("a\uFFFDb\uFFFD"), TextSamples.Trained.Encode("a\uD800b\uDC00"));
    }

    [Fact]
    public void A_special_token_is_one_id_in_template_text_and_plain_text_inside_a_plain_span()
    {
        const string text = "<|im_start|>hello <|im_end|><|im_end|>";
        var hello = text.IndexOf("hello", StringComparison.Ordinal);
        var ids = TextSamples.Trained.Encode(text, [new TextSpan(hello, "hello <|im_end|>".Length)]);

        Assert.Equal(1, ids[0]);
        Assert.Equal(2, ids[^1]);
        Assert.DoesNotContain(2, ids[..^1]);
        Assert.Equal(text, TextSamples.Trained.Decode(ids, skipSpecialTokens: false));
    }

    [Fact]
    public void A_special_token_that_only_touches_a_plain_span_is_recognised_and_one_that_overlaps_it_is_not()
    {
        const string text = "x<|im_end|>y";

        Assert.Contains(2, TextSamples.Trained.Encode(text, [new TextSpan(0, 1), new TextSpan(text.Length - 1, 1)]));
        Assert.DoesNotContain(2, TextSamples.Trained.Encode(text, [new TextSpan(0, 2)]));
        Assert.DoesNotContain(2, TextSamples.Trained.Encode(text, [new TextSpan(text.Length - 2, 2)]));
    }

    [Fact]
    public void Streaming_equals_decoding_the_whole_for_random_ids_and_never_ends_inside_a_character()
    {
        var tokenizer = TextSamples.Trained;
        var random = new Random(11);
        for (var round = 0; round < 500; round++)
        {
            var ids = Enumerable.Range(0, random.Next(20)).Select(_ => random.Next(-1, tokenizer.VocabularySize + 2)).ToArray();
            var bytes = ids.SelectMany(tokenizer.TokenBytes).ToArray();
            var stream = new StreamingDecoder(tokenizer, skipSpecialTokens: false);
            string[] pieces = [.. ids.Select(stream.Push), stream.Flush()];

            Assert.Equal(Encoding.UTF8.GetString(bytes), string.Concat(pieces));
            Assert.Equal(string.Concat(pieces), tokenizer.Decode(ids, skipSpecialTokens: false));
            Assert.All(pieces, piece => Assert.False(piece.Length > 0 && char.IsHighSurrogate(piece[^1])));
        }
    }

    [Fact]
    public void An_unfinished_character_waits_and_becomes_the_replacement_character_at_the_end()
    {
        var ids = TextSamples.Trained.Encode("\U0001F600");
        var stream = new StreamingDecoder(TextSamples.Trained, skipSpecialTokens: false);

        Assert.Equal(4, ids.Length);
        Assert.All(ids[..3], id => Assert.Equal("", stream.Push(id)));
        Assert.Equal("\uFFFD", stream.Flush());
    }

    [Fact]
    public void Many_threads_get_the_ids_one_thread_gets()
    {
        var texts = Enumerable.Range(0, 400).Select(i => $"{s_hard[i % s_hard.Length]} the {i} lazy dogs {i * 7919}").ToArray();
        var alone = texts.Select(text => TextSamples.Trained.Encode(text)).ToArray();
        var fresh = Tokenizer.Parse(
            TokenizerFiles.TokenizerJson(BpeTrainer.Train(
                ["the quick brown fox jumps over the lazy dog", "user assistant system hello hello world the the"],
                new BpeTrainingOptions(320, TextSamples.SpecialTokens))),
            TokenizerSettings.Empty);
        var together = new int[texts.Length][];

        Parallel.For(0, texts.Length, i => together[i] = fresh.Encode(texts[i]));

        Assert.Equal(alone, together);
    }

    [Fact]
    public void A_megabyte_without_spaces_is_merged_in_reasonable_steps()
    {
        var ids = TextSamples.Trained.Encode(new string('a', 1_000_000));

        Assert.Equal(1_000_000, ids.Sum(id => TextSamples.Trained.TokenBytes(id).Length));
    }

    [Theory]
    [InlineData("Isolated", "a b", "a| |b")]
    [InlineData("Removed", "a b", "a|b")]
    [InlineData("MergedWithPrevious", "a b", "a |b")]
    [InlineData("MergedWithNext", "a b", "a| b")]
    [InlineData("Contiguous", "a  b", "a|  |b")]
    [InlineData("MergedWithPrevious", " a  b", " |a | |b")]
    [InlineData("MergedWithNext", "a  b ", "a| | b| ")]
    public void Split_behaviors_cut_where_their_names_say(string behavior, string text, string expected)
    {
        // Every piece of up to three characters is one token, so tokens show the cuts.
        var alphabet = new[] { "a", "b", " " };
        var pairs = from x in alphabet from y in alphabet select (x, y);
        var tokenizer = TextSamples.Custom(
            [.. alphabet, .. pairs.Select(p => p.x + p.y)],
            merges: "[" + string.Join(',', pairs.Select(p => $"[\"{p.x}\",\"{p.y}\"]")) + "]",
            preTokenizer: $$$"""{"type":"Split","pattern":{"String":" "},"behavior":"{{{behavior}}}","invert":false}""");

        Assert.Equal(expected, string.Join('|', tokenizer.Encode(text).Select(id => tokenizer.IdToToken(id))));
    }

    [Fact]
    public void A_general_pattern_matches_letters_outside_the_bmp()
    {
        var text = "\U00020000\U0001D400 x";
        var tokenizer = TextSamples.Custom(
            ["\U00020000", "\U0001D400", "x", " ", "\U00020000\U0001D400"],
            merges: "[[\"\U00020000\",\"\U0001D400\"]]",
            preTokenizer: """{"type":"Split","pattern":{"Regex":"\\p{L}++|."},"behavior":"Isolated","invert":false}""");

        Assert.Equal([4, 3, 2], tokenizer.Encode(text));
    }

    [Fact]
    public void Added_token_flags_swallow_space_and_stand_alone()
    {
        const string added = """
            [{"id":9,"content":"<m>","lstrip":true,"rstrip":true,"special":true},
             {"id":8,"content":"ab","single_word":true,"special":false,"normalized":false}]
            """;
        var tokenizer = TextSamples.Custom(["a", "b", " "], added: added);

        Assert.Equal([0, 9, 1], tokenizer.Encode("a  <m>  b"));
        Assert.Equal([8, 2, 0, 1, 1, 2, 8], tokenizer.Encode("ab abb ab"));
    }

    [Fact]
    public void A_whole_piece_is_taken_before_merging_when_merges_are_ignored()
    {
        const string split = """{"type":"ByteLevel","add_prefix_space":false,"use_regex":true}""";
        string[] vocabulary = ["a", "b", "c", "ab", "abc"];

        Assert.Equal([3, 2], TextSamples.Custom(vocabulary, """["a b"]""", split).Encode("abc"));
        Assert.Equal([4], TextSamples.Custom(vocabulary, """["a b"]""", split, model: "\"ignore_merges\":true,").Encode("abc"));
    }

    [Fact]
    public void Offsets_after_normalization_point_into_the_original_text()
    {
        var tokenizer = TextSamples.Custom(["a", "\u00E9", "b"], normalizer: """{"type":"NFC"}""");

        var encoded = tokenizer.EncodeWithOffsets("ae\u0301b", []);

        Assert.Equal([0, 1, 2], encoded.Ids);
        Assert.Equal([new TextSpan(0, 1), new TextSpan(1, 2), new TextSpan(3, 1)], encoded.Offsets);
    }

    [Theory]
    [InlineData("pre_tokenizer", """{"type":"UnicodeScripts"}""", "UnicodeScripts")]
    [InlineData("normalizer", """{"type":"Precompiled"}""", "Precompiled")]
    [InlineData("decoder", """{"type":"CTC"}""", "CTC")]
    [InlineData("pre_tokenizer", """{"type":"Split","pattern":{"Regex":"("},"behavior":"Isolated"}""", "split pattern '('")]
    public void What_is_not_supported_is_refused_by_name(string part, string json, string name)
    {
        var error = Assert.Throws<TokenizerException>(() => part switch
        {
            "normalizer" => TextSamples.Custom(["a"], normalizer: json),
            "decoder" => TextSamples.Custom(["a"], decoder: json),
            _ => TextSamples.Custom(["a"], preTokenizer: json),
        });

        Assert.Contains(name, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Dropout_and_a_missing_merge_token_are_refused()
    {
        Assert.Throws<TokenizerException>(() => TextSamples.Custom(["a"], model: "\"dropout\":0.1,"));
        Assert.Throws<TokenizerException>(() => TextSamples.Custom(["a", "b"], merges: """["a b"]"""));
    }

    [Fact]
    public void Settings_read_tokens_as_text_or_object_and_templates_as_text_or_list()
    {
        var settings = TokenizerSettings.Parse(Encoding.UTF8.GetBytes(
            """{"bos_token":{"content":"<s>"},"eos_token":"</s>","pad_token":null,"chat_template":[{"name":"default","template":"A"},{"name":"tool_use","template":"B"}]}"""));

        Assert.Equal(("<s>", "</s>", null, "A"), (settings.BeginOfTextToken, settings.EndOfTextToken, settings.PaddingToken, settings.ChatTemplate));
        Assert.Equal("B", settings.ChatTemplates["tool_use"]);
    }
}
