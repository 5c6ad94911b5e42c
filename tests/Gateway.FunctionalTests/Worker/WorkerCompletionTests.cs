using System.Net;
using System.Text.Json;
using Xunit;

namespace Gateway.FunctionalTests.Worker;

/// <summary>Text completions, embeddings and vLLM's token calls of a worker.</summary>
public sealed class WorkerCompletionTests(WorkerServer server) : IClassFixture<WorkerServer>
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Completion_OfTextAndOfItsIds_AreTheSame()
    {
        var text = await CompleteAsync("\"prompt\":\"the fox\",\"temperature\":0,\"ignore_eos\":true");
        var ids = await CompleteAsync($"\"prompt\":{await TokenizeAsync("the fox")},\"temperature\":0,\"ignore_eos\":true");

        Assert.StartsWith("cmpl-", text.GetProperty("id").GetString(), StringComparison.Ordinal);
        Assert.Equal("text_completion", text.GetProperty("object").GetString());
        Assert.Equal(16, text.GetProperty("usage").GetProperty("completion_tokens").GetInt32());
        Assert.Equal(Texts(text), Texts(ids));
        Assert.Equal(["index", "text", "logprobs", "finish_reason"], text.GetProperty("choices")[0].EnumerateObject().Select(member => member.Name));
    }

    [Fact]
    public async Task Completion_SeveralPromptsAndReplies_AreNumberedByPrompt()
    {
        const string fields = "\"seed\":1,\"temperature\":1,\"max_tokens\":6,\"ignore_eos\":true";
        var all = await CompleteAsync("\"prompt\":[\"one\",\"two\"],\"n\":2," + fields);
        var second = await CompleteAsync("\"prompt\":[\"two\"],\"n\":2," + fields);

        Assert.Equal([0, 1, 2, 3], all.GetProperty("choices").EnumerateArray().Select(choice => choice.GetProperty("index").GetInt32()));
        Assert.Equal(Texts(second), Texts(all)[2..]);
        Assert.Equal(24, all.GetProperty("usage").GetProperty("completion_tokens").GetInt32());
    }

    [Fact]
    public async Task Completion_EchoWithLogprobs_ScoresThePromptAndTheReply()
    {
        var reply = await CompleteAsync("\"prompt\":\"the ox\",\"temperature\":0,\"max_tokens\":3,\"ignore_eos\":true,\"echo\":true,\"logprobs\":2");
        var again = await CompleteAsync($"\"prompt\":{JsonSerializer.Serialize(Texts(reply)[0])},\"max_tokens\":0,\"echo\":true,\"logprobs\":2");

        var logprobs = reply.GetProperty("choices")[0].GetProperty("logprobs");
        var tokens = logprobs.GetProperty("tokens").EnumerateArray().Select(token => token.GetString()!).ToList();
        Assert.StartsWith("the ox", Texts(reply)[0], StringComparison.Ordinal);
        Assert.Equal(["the", " ", "ox"], tokens[..3]);
        Assert.Equal(6, tokens.Count);
        Assert.Equal(JsonValueKind.Null, logprobs.GetProperty("token_logprobs")[0].ValueKind);
        Assert.Equal(JsonValueKind.Null, logprobs.GetProperty("top_logprobs")[0].ValueKind);
        Assert.All(logprobs.GetProperty("token_logprobs").EnumerateArray().Skip(1), value => Assert.True(value.GetDouble() < 0));
        Assert.All(logprobs.GetProperty("top_logprobs").EnumerateArray().Skip(1), top => Assert.InRange(top.EnumerateObject().Count(), 1, 3));
        Assert.Equal([0, 3, 4, 6], logprobs.GetProperty("text_offset").EnumerateArray().Take(4).Select(offset => offset.GetInt32()));

        // The reply read as a prompt has the scores it was drawn with.
        Assert.Equal("length", again.GetProperty("choices")[0].GetProperty("finish_reason").GetString());
        Assert.Equal(0, again.GetProperty("usage").GetProperty("completion_tokens").GetInt32());
        Assert.Equal(Texts(reply), Texts(again));
    }

    [Fact]
    public async Task Completion_BestOf_GivesTheLikeliestAndCountsAll()
    {
        const string fields = "\"prompt\":\"the\",\"seed\":3,\"temperature\":1.5,\"max_tokens\":5,\"ignore_eos\":true,\"logprobs\":0";
        var all = await CompleteAsync(fields + ",\"n\":5");
        var best = await CompleteAsync(fields + ",\"n\":2,\"best_of\":5");

        var ranked = all.GetProperty("choices").EnumerateArray()
            .OrderByDescending(choice => choice.GetProperty("logprobs").GetProperty("token_logprobs").EnumerateArray().Average(value => value.GetDouble()))
            .Select(choice => choice.GetProperty("text").GetString()!);
        Assert.Equal(ranked.Take(2), Texts(best));
        Assert.Equal(25, best.GetProperty("usage").GetProperty("completion_tokens").GetInt32());
        var unscored = await CompleteAsync("\"prompt\":\"the\",\"seed\":3,\"max_tokens\":5,\"n\":1,\"best_of\":2,\"echo\":true");
        Assert.Equal(JsonValueKind.Null, unscored.GetProperty("choices")[0].GetProperty("logprobs").ValueKind);
    }

    [Fact]
    public async Task Completion_Streamed_JoinsToTheWhole()
    {
        const string fields = "\"prompt\":\"the fox\",\"temperature\":0,\"max_tokens\":20,\"ignore_eos\":true,\"echo\":true";
        var whole = await CompleteAsync(fields);
        using var response = await PostAsync("/v1/completions", fields + ",\"stream\":true,\"stream_options\":{\"include_usage\":true}");
        var events = (await response.Content.ReadAsStringAsync(Cancellation)).Split("\n\n", StringSplitOptions.RemoveEmptyEntries);

        Assert.Equal("data: [DONE]", events[^1]);
        var chunks = events[..^1].Select(item => JsonDocument.Parse(item["data: ".Length..]).RootElement).ToList();
        Assert.All(chunks, chunk => Assert.Equal("text_completion", chunk.GetProperty("object").GetString()));
        Assert.Equal(Texts(whole)[0], string.Concat(chunks[..^1].Select(chunk => chunk.GetProperty("choices")[0].GetProperty("text").GetString())));
        Assert.Equal("length", chunks[^2].GetProperty("choices")[0].GetProperty("finish_reason").GetString());
        Assert.Equal(27, chunks[^1].GetProperty("usage").GetProperty("total_tokens").GetInt32() - whole.GetProperty("usage").GetProperty("prompt_tokens").GetInt32() + 7);
    }

    [Theory]
    [InlineData("\"prompt\":\"a\",\"suffix\":\"b\"", "unsupported_parameter", "suffix")]
    [InlineData("\"prompt\":[]", "invalid_value", "prompt")]
    [InlineData("\"prompt\":\"\"", "invalid_value", "prompt")]
    [InlineData("\"prompt\":[99999]", "invalid_value", "prompt")]
    [InlineData("\"prompt\":[[1],[\"x\"]]", "invalid_value", "prompt[1]")]
    [InlineData("\"max_tokens\":1", "missing_required_parameter", "prompt")]
    [InlineData("\"prompt\":\"a\",\"max_tokens\":0", "invalid_value", "max_tokens")]
    [InlineData("\"prompt\":\"a\",\"max_tokens\":9000", "context_length_exceeded", "prompt")]
    [InlineData("\"prompt\":\"a\",\"n\":3,\"best_of\":2", "invalid_value", "best_of")]
    [InlineData("\"prompt\":\"a\",\"best_of\":2,\"stream\":true", "invalid_value", "best_of")]
    public async Task Completion_Wrong_IsRefusedByName(string fields, string code, string param)
    {
        using var response = await PostAsync("/v1/completions", fields);

        await WorkerServer.AssertErrorAsync(response, 400, code, param);
    }

    [Fact]
    public async Task Embeddings_OfTextsAndIds_AreUnitVectorsInBothFormats()
    {
        var vectors = await EmbedAsync("\"input\":[\"the fox\",\"an ox\"]");
        var ids = await EmbedAsync($"\"input\":{await TokenizeAsync("the fox")}");
        var packed = await EmbedAsync("\"input\":\"the fox\",\"encoding_format\":\"base64\",\"dimensions\":32");

        var first = vectors.GetProperty("data")[0].GetProperty("embedding").EnumerateArray().Select(value => value.GetSingle()).ToArray();
        Assert.Equal(32, first.Length);
        Assert.Equal(1, first.Sum(value => (double)value * value), 1e-5);
        Assert.Equal("mean", vectors.GetProperty("pooling").GetString());
        Assert.Equal(vectors.GetProperty("data")[0].GetProperty("embedding").GetRawText(), ids.GetProperty("data")[0].GetProperty("embedding").GetRawText());
        Assert.NotEqual(first, vectors.GetProperty("data")[1].GetProperty("embedding").EnumerateArray().Select(value => value.GetSingle()));
        var bytes = packed.GetProperty("data")[0].GetProperty("embedding").GetBytesFromBase64();
        Assert.Equal(first, Enumerable.Range(0, 32).Select(i => BitConverter.ToSingle(bytes, i * 4)));
        var usage = vectors.GetProperty("usage");
        Assert.Equal(usage.GetProperty("prompt_tokens").GetInt32(), usage.GetProperty("total_tokens").GetInt32());
    }

    [Theory]
    [InlineData("\"input\":\"a\",\"dimensions\":8", "unsupported_parameter", "dimensions")]
    [InlineData("\"input\":\"a\",\"encoding_format\":\"int8\"", "invalid_value", "encoding_format")]
    [InlineData("\"input\":\"\"", "invalid_value", "input")]
    [InlineData("\"user\":\"a\"", "missing_required_parameter", "input")]
    public async Task Embeddings_Wrong_AreRefusedByName(string fields, string code, string param)
    {
        using var response = await PostAsync("/v1/embeddings", fields);

        await WorkerServer.AssertErrorAsync(response, 400, code, param);
    }

    [Fact]
    public async Task Tokenize_ThereAndBack()
    {
        using var tokenized = await server.PostAsync("/tokenize", """{"model":"tiny","prompt":"the ox","return_token_strs":true}""");
        var reply = JsonDocument.Parse(await tokenized.Content.ReadAsStringAsync(Cancellation)).RootElement;
        using var text = await server.PostAsync("/detokenize", $$"""{"model":"tiny","tokens":{{reply.GetProperty("tokens").GetRawText()}}}""");
        using var chat = await server.PostAsync("/tokenize", """{"model":"tiny","messages":[{"role":"user","content":"hi"}]}""");

        Assert.Equal(3, reply.GetProperty("count").GetInt32());
        Assert.Equal(8192, reply.GetProperty("max_model_len").GetInt32());
        Assert.Equal(3, reply.GetProperty("token_strs").GetArrayLength());
        Assert.Equal("""{"prompt":"the ox"}""", await text.Content.ReadAsStringAsync(Cancellation));
        Assert.Equal(HttpStatusCode.OK, chat.StatusCode);
    }

    private Task<HttpResponseMessage> PostAsync(string path, string fields) => server.PostAsync(path, $$"""{"model":"{{WorkerServer.ModelName}}",{{fields}}}""");

    private async Task<JsonElement> CompleteAsync(string fields) => await ReadAsync(await PostAsync("/v1/completions", fields));

    private async Task<JsonElement> EmbedAsync(string fields) => await ReadAsync(await PostAsync("/v1/embeddings", fields));

    private async Task<string> TokenizeAsync(string text)
    {
        var reply = await ReadAsync(await server.PostAsync("/tokenize", $$"""{"prompt":"{{text}}"}"""));
        return reply.GetProperty("tokens").GetRawText();
    }

    private static async Task<JsonElement> ReadAsync(HttpResponseMessage response)
    {
        using (response)
        {
            var text = await response.Content.ReadAsStringAsync(Cancellation);
            Assert.True(response.StatusCode == HttpStatusCode.OK, text);
            return JsonDocument.Parse(text).RootElement;
        }
    }

    private static List<string> Texts(JsonElement reply) => [.. reply.GetProperty("choices").EnumerateArray().Select(choice => choice.GetProperty("text").GetString()!)];
}
