using System.Text.Encodings.Web;
using System.Text.Json;
using Gateway.Model.Text.Tokenizing;

namespace Gateway.Model.Text;

/// <summary>Writes a trained vocabulary as the two files that Hugging Face tokenizers read.</summary>
public static class TokenizerFiles
{
    private static readonly JsonWriterOptions s_readable = new()
    {
        Indented = true,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    /// <summary>Writes tokenizer.json and tokenizer_config.json into a directory, replacing those there.</summary>
    public static void Write(string directory, TrainedBpe trained, TokenizerSettings settings)
    {
        Directory.CreateDirectory(directory);
        File.WriteAllBytes(Path.Combine(directory, "tokenizer.json"), TokenizerJson(trained));
        File.WriteAllBytes(Path.Combine(directory, "tokenizer_config.json"), TokenizerConfig(settings));
    }

    /// <summary>The content of tokenizer.json.</summary>
    public static byte[] TokenizerJson(TrainedBpe trained) => Json(json =>
    {
        json.WriteString("version", "1.0");
        json.WriteNull("truncation");
        json.WriteNull("padding");
        json.WriteStartArray("added_tokens");
        for (var id = 0; id < trained.Options.SpecialTokens.Count; id++)
            WriteSpecialToken(json, id, trained.Options.SpecialTokens[id]);
        json.WriteEndArray();
        json.WriteNull("normalizer");
        json.WriteStartObject("pre_tokenizer");
        WritePreTokenizer(json, trained.Options.Split);
        json.WriteEndObject();
        json.WriteNull("post_processor");
        json.WriteStartObject("decoder");
        WriteByteLevel(json, useRegex: true);
        json.WriteEndObject();
        WriteModel(json, trained);
    });

    /// <summary>The content of tokenizer_config.json.</summary>
    public static byte[] TokenizerConfig(TokenizerSettings settings) => Json(json =>
    {
        json.WriteString("tokenizer_class", "PreTrainedTokenizerFast");
        json.WriteBoolean("clean_up_tokenization_spaces", false);
        json.WriteBoolean("add_bos_token", settings.AddsBeginOfText);
        json.WriteString("bos_token", settings.BeginOfTextToken);
        json.WriteString("eos_token", settings.EndOfTextToken);
        json.WriteString("pad_token", settings.PaddingToken);
        json.WriteString("unk_token", settings.UnknownToken);
        if (settings.ChatTemplate is { } template)
            json.WriteString("chat_template", template);
    });

    private static byte[] Json(Action<Utf8JsonWriter> write)
    {
        using var stream = new MemoryStream();
        using (var json = new Utf8JsonWriter(stream, s_readable))
        {
            json.WriteStartObject();
            write(json);
            json.WriteEndObject();
        }

        stream.WriteByte((byte)'\n');
        return stream.ToArray();
    }

    private static void WriteSpecialToken(Utf8JsonWriter json, int id, string content)
    {
        json.WriteStartObject();
        json.WriteNumber("id", id);
        json.WriteString("content", content);
        json.WriteBoolean("single_word", false);
        json.WriteBoolean("lstrip", false);
        json.WriteBoolean("rstrip", false);
        json.WriteBoolean("normalized", false);
        json.WriteBoolean("special", true);
        json.WriteEndObject();
    }

    /// <summary>The pre-tokenizer that the written file describes, so that training cuts as encoding does.</summary>
    internal static PreTokenizer PreTokenizerFor(SplitRule split)
    {
        using var document = JsonDocument.Parse(Json(json => WritePreTokenizer(json, split)));
        return PreTokenizer.Read(document.RootElement, out _)!;
    }

    private static void WritePreTokenizer(Utf8JsonWriter json, SplitRule split)
    {
        if (split == SplitRule.Gpt2)
        {
            WriteByteLevel(json, useRegex: true);
            return;
        }

        json.WriteString("type", "Sequence");
        json.WriteStartArray("pretokenizers");
        json.WriteStartObject();
        json.WriteString("type", "Split");
        json.WriteStartObject("pattern");
        json.WriteString("Regex", KnownPatterns.Qwen2);
        json.WriteEndObject();
        json.WriteString("behavior", "Isolated");
        json.WriteBoolean("invert", false);
        json.WriteEndObject();
        json.WriteStartObject();
        WriteByteLevel(json, useRegex: false);
        json.WriteEndObject();
        json.WriteEndArray();
    }

    private static void WriteByteLevel(Utf8JsonWriter json, bool useRegex)
    {
        json.WriteString("type", "ByteLevel");
        json.WriteBoolean("add_prefix_space", false);
        json.WriteBoolean("trim_offsets", true);
        json.WriteBoolean("use_regex", useRegex);
    }

    private static void WriteModel(Utf8JsonWriter json, TrainedBpe trained)
    {
        json.WriteStartObject("model");
        json.WriteString("type", "BPE");
        json.WriteNull("dropout");
        json.WriteNull("unk_token");
        json.WriteNull("continuing_subword_prefix");
        json.WriteNull("end_of_word_suffix");
        json.WriteBoolean("fuse_unk", false);
        json.WriteBoolean("byte_fallback", false);
        json.WriteBoolean("ignore_merges", false);
        json.WriteStartObject("vocab");
        for (var id = 0; id < trained.Tokens.Count; id++)
            json.WriteNumber(trained.Tokens[id], id);
        json.WriteEndObject();
        json.WriteStartArray("merges");
        foreach (var (left, right) in trained.Merges)
            json.WriteStringValue($"{left} {right}");
        json.WriteEndArray();
        json.WriteEndObject();
    }
}
