using System.Text.Json;
using Xunit;

namespace Gateway.FunctionalTests.Worker;

/// <summary>Every option of a chat completion, on a real engine over random weights.</summary>
public sealed class WorkerOptionsTests(WorkerServer server) : IClassFixture<WorkerServer>
{
    // Ids of the tiny tokenizer are the byte's value plus 2.
    private const int X = 'x' + 2;
    private const int Y = 'y' + 2;

    [Fact]
    public async Task N_SeededChoices_DifferFromEachOtherAndCountThePromptOnce()
    {
        const string fields = "\"seed\":5,\"max_tokens\":12,\"ignore_eos\":true,\"temperature\":1.2";
        var three = await server.ChatAsync(fields + ",\"n\":3");
        var second = await server.ChatAsync(fields.Replace("\"seed\":5", "\"seed\":6", StringComparison.Ordinal));

        Assert.Equal([0, 1, 2], three.GetProperty("choices").EnumerateArray().Select(choice => choice.GetProperty("index").GetInt32()));
        Assert.Equal(3, Texts(three).Distinct().Count());
        Assert.Equal(Texts(second)[0], Texts(three)[1]);
        Assert.Equal(36, three.GetProperty("usage").GetProperty("completion_tokens").GetInt32());
        Assert.Equal(second.GetProperty("usage").GetProperty("prompt_tokens").GetInt32(), three.GetProperty("usage").GetProperty("prompt_tokens").GetInt32());
    }

    [Fact]
    public async Task N_Streamed_GivesTheSameChoicesByIndex()
    {
        const string fields = "\"seed\":5,\"max_tokens\":12,\"ignore_eos\":true,\"n\":3";
        var whole = await server.ChatAsync(fields);
        var events = await server.StreamAsync(fields);

        var texts = new string[3];
        var ends = new string?[3];
        foreach (var choice in events[..^1].Select(item => JsonDocument.Parse(item).RootElement.GetProperty("choices")[0]))
        {
            var index = choice.GetProperty("index").GetInt32();
            texts[index] += choice.GetProperty("delta").TryGetProperty("content", out var content) ? content.GetString() : "";
            ends[index] = choice.GetProperty("finish_reason").GetString() ?? ends[index];
        }

        Assert.Equal(Texts(whole), texts);
        Assert.All(ends, end => Assert.Equal("length", end));
        Assert.Equal("[DONE]", events[^1]);
    }

    [Fact]
    public async Task LogitBiasAndPenalties_SteerTheReply()
    {
        var biased = await server.ChatAsync($"\"temperature\":0,\"max_tokens\":4,\"logit_bias\":{{\"{X}\":100}}");
        var penalized = await server.ChatAsync($"\"temperature\":0,\"max_tokens\":4,\"logit_bias\":{{\"{X}\":80,\"{Y}\":78.5}},\"frequency_penalty\":2");
        var present = await server.ChatAsync($"\"temperature\":0,\"max_tokens\":4,\"logit_bias\":{{\"{X}\":80,\"{Y}\":78.5}},\"presence_penalty\":2,\"repetition_penalty\":1");

        Assert.Equal("xxxx", Texts(biased)[0]);
        Assert.Contains('y', Texts(penalized)[0]);
        Assert.Contains('x', Texts(penalized)[0]);
        Assert.Contains('y', Texts(present)[0]);
    }

    [Fact]
    public async Task Logprobs_OfBothModes_HaveTokensBytesAndAlternatives()
    {
        const string fields = "\"temperature\":0,\"max_tokens\":8,\"ignore_eos\":true,\"logprobs\":true,\"top_logprobs\":20";
        var plain = await server.ChatAsync("\"temperature\":0,\"max_tokens\":8,\"ignore_eos\":true");
        var whole = await server.ChatAsync(fields);
        var events = await server.StreamAsync(fields);

        Assert.Equal(Texts(plain), Texts(whole));
        Assert.Equal(JsonValueKind.Null, plain.GetProperty("choices")[0].GetProperty("logprobs").ValueKind);
        var tokens = whole.GetProperty("choices")[0].GetProperty("logprobs").GetProperty("content").EnumerateArray().ToList();
        Assert.Equal(8, tokens.Count);
        Assert.All(tokens, token =>
        {
            var top = token.GetProperty("top_logprobs").EnumerateArray().ToList();
            Assert.Equal(20, top.Count);
            Assert.Equal(token.GetProperty("bytes").GetRawText(), top[0].GetProperty("bytes").GetRawText());
            Assert.Equal(token.GetProperty("logprob").GetDouble(), top[0].GetProperty("logprob").GetDouble());
            Assert.InRange(top.Sum(item => Math.Exp(item.GetProperty("logprob").GetDouble())), 0.01, 1.0001);
            Assert.Equal(top.Select(item => item.GetProperty("logprob").GetDouble()).OrderDescending(), top.Select(item => item.GetProperty("logprob").GetDouble()));
        });
        var streamed = events[..^1].Select(item => JsonDocument.Parse(item).RootElement.GetProperty("choices")[0].GetProperty("logprobs"))
            .Where(logprobs => logprobs.ValueKind == JsonValueKind.Object).SelectMany(logprobs => logprobs.GetProperty("content").EnumerateArray());
        Assert.Equal(tokens.Select(token => token.GetRawText()), streamed.Select(token => token.GetRawText()));
    }

    [Fact]
    public async Task MinimumTokensAndStopTokens_DecideWhereTheReplyEnds()
    {
        var ended = await server.ChatAsync($"\"temperature\":0,\"max_tokens\":40,\"min_tokens\":5,\"logit_bias\":{{\"0\":100}}");
        var stopped = await server.ChatAsync($"\"temperature\":0,\"max_tokens\":40,\"logit_bias\":{{\"{X}\":100}},\"stop_token_ids\":[{X}]");
        var included = await server.ChatAsync($"\"temperature\":0,\"max_tokens\":40,\"logit_bias\":{{\"{X}\":100}},\"stop\":\"xx\",\"include_stop_str_in_output\":true");

        Assert.Equal(6, ended.GetProperty("usage").GetProperty("completion_tokens").GetInt32());
        Assert.Equal("stop", ended.GetProperty("choices")[0].GetProperty("finish_reason").GetString());
        Assert.Equal("", Texts(stopped)[0]);
        Assert.Equal(X, stopped.GetProperty("choices")[0].GetProperty("stop_reason").GetInt32());
        Assert.Equal("xx", Texts(included)[0]);
        Assert.Equal("xx", included.GetProperty("choices")[0].GetProperty("stop_reason").GetString());
    }

    [Theory]
    [InlineData("\"n\":0", "invalid_value", "n")]
    [InlineData("\"n\":129", "invalid_value", "n")]
    [InlineData("\"top_logprobs\":3", "invalid_value", "top_logprobs")]
    [InlineData("\"logprobs\":true,\"top_logprobs\":21", "invalid_value", "top_logprobs")]
    [InlineData("\"frequency_penalty\":3", "invalid_value", "frequency_penalty")]
    [InlineData("\"logit_bias\":{\"x\":1}", "invalid_value", "logit_bias")]
    [InlineData("\"logit_bias\":{\"99999\":1}", "invalid_value", "logit_bias")]
    [InlineData("\"logit_bias\":{\"1\":101}", "invalid_value", "logit_bias.1")]
    [InlineData("\"stop_token_ids\":[99999]", "invalid_value", "stop_token_ids")]
    [InlineData("\"min_tokens\":2,\"response_format\":{\"type\":\"json_object\"}", "invalid_value", "min_tokens")]
    [InlineData("\"stream_options\":{}", "invalid_value", "stream_options")]
    [InlineData("\"cache_salt\":\"\"", "invalid_value", "cache_salt")]
    public async Task WrongOptions_AreRefusedByName(string field, string code, string param)
    {
        using var response = await server.PostAsync("/v1/chat/completions", WorkerServer.Body(field));

        await WorkerServer.AssertErrorAsync(response, 400, code, param);
    }

    private static List<string> Texts(JsonElement reply) =>
        [.. reply.GetProperty("choices").EnumerateArray().Select(choice => choice.GetProperty("message").GetProperty("content").GetString()!)];
}
