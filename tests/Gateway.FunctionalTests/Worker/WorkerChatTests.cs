using System.ClientModel;
using System.Net;
using System.Text;
using System.Text.Json;
using OpenAI;
using OpenAI.Chat;
using Xunit;

namespace Gateway.FunctionalTests.Worker;

public sealed class WorkerChatTests(WorkerServer server) : IClassFixture<WorkerServer>
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Completion_HasTheOpenAiShape()
    {
        var reply = await server.ChatAsync("\"temperature\":0,\"max_tokens\":5,\"ignore_eos\":true");

        Assert.StartsWith("chatcmpl-", reply.GetProperty("id").GetString(), StringComparison.Ordinal);
        Assert.Equal("chat.completion", reply.GetProperty("object").GetString());
        Assert.Equal(WorkerServer.ModelName, reply.GetProperty("model").GetString());
        Assert.Equal(JsonValueKind.Null, reply.GetProperty("adapter_generation").ValueKind);
        var choice = Assert.Single(reply.GetProperty("choices").EnumerateArray());
        Assert.Equal("assistant", choice.GetProperty("message").GetProperty("role").GetString());
        Assert.Equal("length", choice.GetProperty("finish_reason").GetString());
        var usage = reply.GetProperty("usage");
        Assert.Equal(5, usage.GetProperty("completion_tokens").GetInt32());
        Assert.Equal(usage.GetProperty("prompt_tokens").GetInt32() + 5, usage.GetProperty("total_tokens").GetInt32());
    }

    [Theory]
    [InlineData("\"temperature\":0,\"max_tokens\":60")]
    [InlineData("\"temperature\":1,\"seed\":7,\"max_tokens\":60,\"ignore_eos\":true")]
    [InlineData("\"temperature\":1.5,\"top_p\":0.9,\"top_k\":50,\"seed\":8,\"max_tokens\":300")]
    public async Task Stream_JoinedPieces_EqualTheWholeReply(string fields)
    {
        // The first reply leaves its prompt in the cache, so that the two that are compared find it there.
        await server.ChatAsync(fields);
        var whole = await server.ChatAsync(fields);
        var events = await server.StreamAsync(fields + ",\"stream_options\":{\"include_usage\":true}");

        Assert.Equal("[DONE]", events[^1]);
        var chunks = events[..^1].ConvertAll(item => JsonDocument.Parse(item).RootElement);
        Assert.Single(chunks.Select(chunk => chunk.GetProperty("id").GetString()).Distinct());
        Assert.Single(chunks.Select(chunk => chunk.GetProperty("created").GetInt64()).Distinct());
        Assert.Equal("""{"role":"assistant","content":""}""", Choice(chunks[0]).GetProperty("delta").GetRawText());
        Assert.Equal("{}", Choice(chunks[^2]).GetProperty("delta").GetRawText());
        Assert.Equal(Choice(whole).GetProperty("finish_reason").GetString(), Choice(chunks[^2]).GetProperty("finish_reason").GetString());
        Assert.All(chunks[..^1], chunk => Assert.Equal(JsonValueKind.Null, chunk.GetProperty("usage").ValueKind));
        Assert.Equal(0, chunks[^1].GetProperty("choices").GetArrayLength());
        Assert.Equal(whole.GetProperty("usage").GetRawText(), chunks[^1].GetProperty("usage").GetRawText());
        Assert.Equal(Text(whole), string.Concat(chunks[1..^2].Select(Delta)));
    }

    [Fact]
    public async Task PromptSentTwice_UsageAndMetricsTellWhatWasCached()
    {
        var text = string.Concat(Enumerable.Repeat("the ox and the ox. ", 4));
        var first = await AskAsync();
        var second = await AskAsync();
        var metrics = await server.Client.GetStringAsync("/metrics", Cancellation);

        async Task<JsonElement> AskAsync()
        {
            using var response = await server.PostAsync(
                "/v1/chat/completions", $$"""{"model":"{{WorkerServer.ModelName}}","messages":[{"role":"user","content":"{{text}}"}],"temperature":0,"max_tokens":2}""");
            return JsonDocument.Parse(await response.Content.ReadAsStringAsync(Cancellation)).RootElement;
        }

        static int Cached(JsonElement reply) => reply.GetProperty("usage").GetProperty("prompt_tokens_details").GetProperty("cached_tokens").GetInt32();
        Assert.Equal(0, Cached(first));
        Assert.Equal((first.GetProperty("usage").GetProperty("prompt_tokens").GetInt32() - 1) / 16 * 16, Cached(second));
        Assert.Equal(Text(first), Text(second));
        var hits = metrics.Split('\n').Single(line => line.StartsWith("vllm:prefix_cache_hits_total{", StringComparison.Ordinal));
        Assert.True(double.Parse(hits.Split(' ')[^1]) >= Cached(second), hits);
    }

    [Fact]
    public async Task Stream_WithoutIncludeUsage_HasNoUsageMember() =>
        Assert.DoesNotContain(await server.StreamAsync("\"temperature\":0,\"max_tokens\":3"), item => item.Contains("\"usage\"", StringComparison.Ordinal));

    [Fact]
    public async Task Stop_StringAcrossTokens_IsCutInBothModes()
    {
        const string fields = "\"temperature\":0,\"ignore_eos\":true,\"max_tokens\":60";
        var text = Text(await server.ChatAsync(fields));
        var at = text.Length / 2;
        var stop = text.Substring(at, 3);
        var expected = text[..text.IndexOf(stop, StringComparison.Ordinal)];
        var withStop = fields + ",\"stop\":[\"never seen\"," + JsonSerializer.Serialize(stop) + "]";

        var whole = await server.ChatAsync(withStop);
        var events = await server.StreamAsync(withStop);

        Assert.Equal(expected, Text(whole));
        Assert.Equal("stop", Choice(whole).GetProperty("finish_reason").GetString());
        Assert.True(whole.GetProperty("usage").GetProperty("completion_tokens").GetInt32() < 60);
        Assert.Equal(expected, string.Concat(events[1..^2].Select(item => Delta(JsonDocument.Parse(item).RootElement))));
    }

    [Fact]
    public async Task IgnoredParameters_AreNamedInAHeader()
    {
        using var response = await server.PostAsync("/v1/chat/completions", WorkerServer.Body("\"max_tokens\":1,\"frobnicate\":1,\"a\\nb\":2"));

        Assert.Equal("frobnicate, a%0Ab", response.Headers.GetValues("x-ignored-parameters").Single());
    }

    [Fact]
    public async Task TemplateAndItsVariables_OfTheRequestAreUsed()
    {
        const string template = "{% for m in messages %}{{ m.role }}{% endfor %}{{ tools[0].function.name }}{{ mark * 3 }}{{ reasoning_effort }}";
        var reply = await server.ChatAsync(
            "\"max_tokens\":1,\"reasoning_effort\":\"low\",\"chat_template_kwargs\":{\"mark\":\"zz\"},\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\"}}],\"chat_template\":"
            + JsonSerializer.Serialize(template));

        // "user" + "f" + "zzzzzz" + "low": the tiny vocabulary has no merge for any of it.
        Assert.Equal(14, reply.GetProperty("usage").GetProperty("prompt_tokens").GetInt32());
    }

    [Theory]
    [InlineData("{\"model\":", 400, "invalid_json", null)]
    [InlineData("[]", 400, "invalid_json", null)]
    [InlineData("{\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}", 400, "missing_required_parameter", "model")]
    [InlineData("{\"model\":\"nobody\",\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}", 404, "model_not_found", "model")]
    [InlineData("{\"model\":\"tiny\",\"messages\":[{\"role\":\"user\",\"content\":\"x\"}],\"use_beam_search\":true}", 400, "unsupported_parameter", "use_beam_search")]
    [InlineData("{\"model\":\"tiny\",\"messages\":[{\"role\":\"user\",\"content\":\"x\"}],\"max_tokens\":9000}", 400, "context_length_exceeded", "messages")]
    [InlineData("{\"model\":\"tiny\",\"messages\":[{\"role\":\"user\",\"content\":\"x\"}],\"chat_template\":\"{% nonsense %}\"}", 400, "invalid_value", "chat_template")]
    public async Task BadRequests_GetTheRightErrorAndTheWorkerLivesOn(string body, int status, string code, string? param)
    {
        using var response = await server.PostAsync("/v1/chat/completions", body);

        await WorkerServer.AssertErrorAsync(response, status, code, param);
        await server.ChatAsync("\"max_tokens\":1");
    }

    [Fact]
    public async Task TooLongAPrompt_IsRefused()
    {
        using var response = await server.PostAsync(
            "/v1/chat/completions", "{\"model\":\"tiny\",\"messages\":[{\"role\":\"user\",\"content\":\"" + new string('x', 20_000) + "\"}]}");

        await WorkerServer.AssertErrorAsync(response, 400, "context_length_exceeded", "messages");
    }

    [Fact]
    public async Task TooLargeABodyOrAnotherMediaType_IsRefused()
    {
        using var large = await server.PostAsync("/v1/chat/completions", "{\"x\":\"" + new string('x', 2 << 20) + "\"}");
        await WorkerServer.AssertErrorAsync(large, 413, "request_too_large");
        using var text = await server.Client.PostAsync("/v1/chat/completions", new StringContent("{}", Encoding.UTF8, "text/plain"), Cancellation);
        await WorkerServer.AssertErrorAsync(text, 415, "unsupported_media_type");
    }

    [Fact]
    public async Task ClientThatLeaves_FreesItsSequence()
    {
        using (var request = new HttpRequestMessage(HttpMethod.Post, "/v1/chat/completions"))
        {
            request.Content = new StringContent(WorkerServer.Body("\"stream\":true,\"ignore_eos\":true,\"max_tokens\":8000"), Encoding.UTF8, "application/json");
            using var response = await server.Client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, Cancellation);
            await using var body = await response.Content.ReadAsStreamAsync(Cancellation);
            Assert.True(await body.ReadAsync(new byte[100], Cancellation) > 0);
        }

        while (server.Runtime.Engine.Statistics is not { Running: 0, Waiting: 0 } statistics || statistics.FreeBlocks < statistics.TotalBlocks)
        {
            await Task.Delay(5, Cancellation);
        }

        Assert.InRange(server.Runtime.Engine.Statistics.SampledTokens, 1, 7999);
    }

    [Fact]
    public async Task OfficialSdk_ChatsStreamsAndListsModels()
    {
        var client = new OpenAIClient(new ApiKeyCredential("none"), new OpenAIClientOptions { Endpoint = new Uri(server.Address, "/v1") });
        var chat = client.GetChatClient(WorkerServer.ModelName);
        ChatMessage[] messages = [new SystemChatMessage("be brief"), new UserChatMessage("hello")];
        var greedy = new ChatCompletionOptions { MaxOutputTokenCount = 4, Temperature = 0 };

        ChatCompletion reply = await chat.CompleteChatAsync(messages, greedy, Cancellation);
        Assert.Equal(4, reply.Usage.OutputTokenCount);
        ChatFinishReason? finish = null;
        await foreach (var update in chat.CompleteChatStreamingAsync(messages, greedy, Cancellation))
        {
            finish = update.FinishReason ?? finish;
        }

        Assert.Equal(ChatFinishReason.Length, finish);
        var models = await client.GetOpenAIModelClient().GetModelsAsync(Cancellation);
        Assert.Contains(models.Value, model => model.Id == WorkerServer.ModelName);
    }

    private static JsonElement Choice(JsonElement reply) => Assert.Single(reply.GetProperty("choices").EnumerateArray());

    private static string Text(JsonElement reply) => Choice(reply).GetProperty("message").GetProperty("content").GetString()!;

    private static string Delta(JsonElement chunk) => Choice(chunk).GetProperty("delta").GetProperty("content").GetString()!;
}
