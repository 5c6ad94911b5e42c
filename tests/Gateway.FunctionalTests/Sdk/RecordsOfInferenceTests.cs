using System.Text.Json;
using Xunit;

namespace Gateway.FunctionalTests.Sdk;

/// <summary>What the front door records of replies that are more than one text.</summary>
public sealed class RecordsOfInferenceTests
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Choices_calls_and_completions_are_on_record()
    {
        await using var served = await ServedModel.StartAsync();
        var several = await served.PostAsync("/v1/chat/completions", new { model = "starter", messages = Question, n = 2, seed = 1, max_tokens = 6, ignore_eos = true, metadata = new { k = "v" } });
        var called = await served.PostAsync("/v1/chat/completions", new { model = ServedModel.ToolDeployment, messages = Question, tools = Tools, tool_choice = "required", parallel_tool_calls = false });
        var completed = await served.PostAsync("/v1/completions", new { model = "starter", prompt = new[] { "one", "two" }, max_tokens = 3, ignore_eos = true });

        var first = await RecordAsync(several);
        Assert.Equal(Text(several, 0), first.GetProperty("reply").GetString());
        Assert.Equal(Text(several, 1), Assert.Single(first.GetProperty("other_replies").EnumerateArray()).GetProperty("text").GetString());
        Assert.Equal("v", first.GetProperty("metadata").GetProperty("k").GetString());

        var second = await RecordAsync(called);
        Assert.Equal("weather", second.GetProperty("tool_calls")[0].GetProperty("function").GetProperty("name").GetString());
        Assert.Equal("tool_calls", second.GetProperty("finish_reason").GetString());
        Assert.Equal(0, second.GetProperty("flags").GetArrayLength());

        var third = await RecordAsync(completed);
        Assert.Equal("completion", third.GetProperty("kind").GetString());
        Assert.Equal(["one", "two"], third.GetProperty("messages").EnumerateArray().Select(message => message.GetProperty("content").GetString()));
        Assert.Equal(1, third.GetProperty("other_replies").GetArrayLength());

        async Task<JsonElement> RecordAsync(JsonElement reply) =>
            JsonDocument.Parse(await served.Client.GetStringAsync($"/v1/interactions/{reply.GetProperty("id").GetString()}", Cancellation)).RootElement;
    }

    private static object[] Question => [new { role = "user", content = "the ox" }];

    private static object[] Tools => [new { type = "function", function = new { name = "weather", parameters = new { type = "object", properties = new { } } } }];

    private static string? Text(JsonElement reply, int choice) => reply.GetProperty("choices")[choice].GetProperty("message").GetProperty("content").GetString();
}
