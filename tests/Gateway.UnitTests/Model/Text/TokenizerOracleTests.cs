using System.IO.Compression;
using System.Text.Json;
using Gateway.Model.Text;
using Gateway.TestKit;
using Xunit;

namespace Gateway.UnitTests.Model.Text;

/// <summary>Encoding and decoding agree with three published implementations, id by id.</summary>
public sealed class TokenizerOracleTests
{
    [Theory]
    [InlineData("oracles/tokenizers/gpt-2", "cases.jsonl")]
    [InlineData("oracles/tokenizers/qwen2", "cases.jsonl")]
    [InlineData("oracles/tokenizers/qwen2", "cases_two_of_three.jsonl")]
    [InlineData("oracles/tokenizers/llama-spm", "cases.jsonl")]
    [InlineData("oracles/stories260k", "tokenizer_cases.jsonl")]
    public void Every_case_gives_the_expected_ids_and_text(string folder, string cases)
    {
        var directory = TestData.Require(folder);
        var tokenizer = Load(directory);
        var count = 0;
        foreach (var line in File.ReadLines(Path.Combine(directory, cases)))
        {
            using var json = JsonDocument.Parse(line);
            var text = json.RootElement.GetProperty("text").GetString()!;
            var ids = Ids(json.RootElement, "ids")!;
            Assert.True(ids.SequenceEqual(tokenizer.Encode(text)), $"{Quoted(text)}: {string.Join(' ', tokenizer.Encode(text))}, not {string.Join(' ', ids)}");
            if (Ids(json.RootElement, "ids_with_special_tokens") is { } withSpecial)
                Assert.Equal(withSpecial, tokenizer.Encode(text, addSpecialTokens: true));
            if (json.RootElement.TryGetProperty("decoded", out var decoded))
            {
                Assert.Equal(decoded.GetString(), tokenizer.Decode(ids, skipSpecialTokens: false));
                var stream = new StreamingDecoder(tokenizer, skipSpecialTokens: false);
                Assert.Equal(decoded.GetString(), string.Concat(ids.Select(stream.Push)) + stream.Flush());
            }

            count++;
        }

        Assert.True(count > 0);
    }

    [Theory]
    [InlineData("oracles/tokenizers/gpt-2")]
    [InlineData("oracles/tokenizers/qwen2")]
    [InlineData("oracles/tokenizers/llama-spm")]
    public void Offsets_ascend_and_cover_every_case(string folder)
    {
        var directory = TestData.Require(folder);
        var tokenizer = Load(directory);
        foreach (var line in File.ReadLines(Path.Combine(directory, "cases.jsonl")))
        {
            using var json = JsonDocument.Parse(line);
            var text = json.RootElement.GetProperty("text").GetString()!;
            var encoded = tokenizer.EncodeWithOffsets(text, []);
            Assert.Equal(Ids(json.RootElement, "ids"), encoded.Ids);
            Assert.Equal(encoded.Ids.Length, encoded.Offsets.Length);
            var covered = 0;
            foreach (var offset in encoded.Offsets)
            {
                Assert.True(offset.Start <= covered && offset.End >= covered && offset.End <= text.Length, Quoted(text));
                covered = offset.End;
            }

            Assert.Equal(text.Length, covered);
        }
    }

    private static Tokenizer Load(string directory)
    {
        if (File.Exists(Path.Combine(directory, "tokenizer.json")))
            return Tokenizer.Load(directory);
        using var gzip = new GZipStream(File.OpenRead(Path.Combine(directory, "tokenizer.json.gz")), CompressionMode.Decompress);
        using var json = new MemoryStream();
        gzip.CopyTo(json);
        return Tokenizer.Parse(json.ToArray(), TokenizerSettings.Load(directory));
    }

    private static int[]? Ids(JsonElement json, string name) =>
        json.TryGetProperty(name, out var ids) ? [.. ids.EnumerateArray().Select(id => id.GetInt32())] : null;

    private static string Quoted(string text) => JsonSerializer.Serialize(text);
}
