using System.Text;
using System.Text.RegularExpressions;
using Gateway.Api.Wire;
using Gateway.Engine;
using Gateway.TestKit;
using Gateway.Worker;
using Gateway.Worker.ToolCalls;
using Microsoft.AspNetCore.Http;
using Xunit;

namespace Gateway.UnitTests.Host.Worker;

/// <summary>The bytes of streams whose tokens are known. Ids, time and fingerprint are replaced by fixed texts.</summary>
public sealed class GoldenStreamTests : IDisposable
{
    private readonly TinyModel _model = new();
    private readonly WorkerRuntime _runtime;

    public GoldenStreamTests() =>
        _runtime = WorkerRuntime.Load(new WorkerOptions { ModelDirectory = _model.Path, ModelName = "tiny", Threads = 1, CacheBytes = 1 << 20 }, TimeProvider.System);

    public void Dispose()
    {
        _runtime.Dispose();
        _model.Dispose();
    }

    [Theory]
    [InlineData(false, "")]
    [InlineData(true, "\"usage\":null,")]
    public async Task OneChoice(bool includeUsage, string usage)
    {
        var golden = Chunk(usage, 0, """{"role":"assistant","content":""}""") + Chunk(usage, 0, """{"content":"hi"}""") + Chunk(usage, 0, "{}", "\"stop\"")
            + (includeUsage ? UsageChunk(3, 3) : "") + "data: [DONE]\n\n";

        Assert.Equal(golden, await StreamAsync(Chat() with { IncludeUsage = includeUsage }, ["hi"]));
    }

    [Fact]
    public async Task ThreeChoices_AreToldApartByIndexAndCountedTogether()
    {
        var golden = string.Concat(Enumerable.Range(0, 3).Select(choice => Chunk("\"usage\":null,", choice, """{"role":"assistant","content":""}""")))
            + string.Concat(Enumerable.Range(0, 3).Select(choice =>
                Chunk("\"usage\":null,", choice, $$"""{"content":"{{(char)('a' + choice)}}"}""") + Chunk("\"usage\":null,", choice, "{}", "\"stop\"")))
            + UsageChunk(3, 6) + "data: [DONE]\n\n";

        Assert.Equal(golden, await StreamAsync(Chat() with { N = 3, IncludeUsage = true }, ["a", "b", "c"]));
    }

    [Fact]
    public async Task TwoParallelCalls_IdTypeAndNameComeOnce()
    {
        const string reply = "Look: <tool_call>\n{\"name\": \"f\", \"arguments\": {\"a\": 1}}\n</tool_call>\n<tool_call>\n{\"name\": \"g\", \"arguments\": {}}\n</tool_call>";
        var golden = Chunk("", 0, """{"role":"assistant","content":""}""") + Chunk("", 0, """{"content":"Look:"}""")
            + Chunk("", 0, """{"tool_calls":[{"index":0,"id":"call_x","type":"function","function":{"name":"f","arguments":""}}]}""")
            + Chunk("", 0, """{"tool_calls":[{"index":0,"function":{"arguments":"{\"a\": 1}"}}]}""")
            + Chunk("", 0, """{"tool_calls":[{"index":1,"id":"call_x","type":"function","function":{"name":"g","arguments":""}}]}""")
            + Chunk("", 0, """{"tool_calls":[{"index":1,"function":{"arguments":"{}"}}]}""")
            + Chunk("", 0, "{}", "\"tool_calls\"") + "data: [DONE]\n\n";

        Assert.Equal(golden, await StreamAsync(Chat(), [reply], ToolDialect.Of("<tool_call>")));
    }

    [Fact]
    public async Task Failure_BeforeTextIsAnErrorReply_LaterAnErrorEventWithoutDone()
    {
        var (status, early) = await AnswerAsync(Chat(), [""], null, FinishReason.Failed);
        Assert.Equal(500, status);
        Assert.StartsWith("{\"error\":{\"message\":", early, StringComparison.Ordinal);

        var (begun, late) = await AnswerAsync(Chat(), ["hi"], null, FinishReason.Failed, endsLate: true);
        Assert.Equal(200, begun);
        Assert.StartsWith(Chunk("", 0, """{"role":"assistant","content":""}""") + Chunk("", 0, """{"content":"hi"}""") + "data: {\"error\":{\"message\":", late, StringComparison.Ordinal);
        Assert.DoesNotContain("[DONE]", late, StringComparison.Ordinal);
    }

    /// <summary>However many tokens are ready at a time, nothing of a stop string and no torn character ever leaves.</summary>
    [Theory]
    [InlineData("one, two", ", t", false, "one")]
    [InlineData("one, two", ", t", true, "one, t")]
    [InlineData("a, be", ", t", false, "a, be")]
    [InlineData("a\U0001F600b", "zz", false, "a\U0001F600b")]
    public async Task StopAndCharacterOverManyTokens_AreHeldBack(string text, string stop, bool includes, string expected)
    {
        var request = Chat() with { Stop = [stop], IncludesStop = includes };
        var ids = Encoding.UTF8.GetBytes(text).Select(value => value + 2).ToArray();
        var stream = new GenerationStream(ids.Length + 1, () => { });
        var reader = new ReplyReader(stream, Plan(request, null), new PlannedPrompt([1]), _runtime.Tokenizer);
        var reading = ReadAsync();
        foreach (var id in ids)
        {
            stream.Write(id);
            await Task.Yield();
        }

        stream.End(FinishReason.Length, ids.Length, null);

        Assert.Equal(expected, await reading);

        async Task<string> ReadAsync()
        {
            var seen = "";
            await foreach (var piece in reader.ReadAsync(TestContext.Current.CancellationToken))
            {
                seen += piece.Delta.Text;
                Assert.StartsWith(seen, expected, StringComparison.Ordinal);
            }

            return seen;
        }
    }

    private static ChatCompletionRequest Chat() => new() { Model = "tiny", Messages = [], Stream = true };

    private ReplyPlan Plan(InferenceRequest request, ToolDialect? tools) => new()
    {
        Request = request,
        Prompts = [new PlannedPrompt([1, 2, 3])],
        Drawn = request.N,
        MaximumTokens = [100],
        Tools = tools,
        IdPrefix = "chatcmpl",
        Writer = head => new ChatCompletionWriter(head, request.IncludeUsage),
    };

    private async Task<string> StreamAsync(InferenceRequest request, string[] replies, ToolDialect? tools = null)
    {
        var (status, body) = await AnswerAsync(request, replies, tools, FinishReason.Stop);
        Assert.Equal(200, status);
        return body;
    }

    private async Task<(int Status, string Body)> AnswerAsync(InferenceRequest request, string[] replies, ToolDialect? tools, FinishReason finish, bool endsLate = false)
    {
        var ids = replies.Select(reply => _runtime.Tokenizer.Encode(reply)).ToList();
        var streams = ids.ConvertAll(reply => new GenerationStream(reply.Length + 1, () => { }));
        for (var i = 0; i < streams.Count; i++)
        {
            Array.ForEach(ids[i], streams[i].Write);
            End(i, !endsLate);
        }

        using var body = new MemoryStream();
        var context = new DefaultHttpContext { Response = { Body = body } };
        var sending = new ReplySender(_runtime, Plan(request, tools), generation: null).SendAsync(context, streams);
        while (endsLate && body.Length == 0)
        {
            await Task.Yield();
        }

        End(0, endsLate);
        var result = await sending;
        await result.ExecuteAsync(context);
        await context.Response.BodyWriter.FlushAsync(TestContext.Current.CancellationToken);
        var text = Encoding.UTF8.GetString(body.ToArray());
        text = Regex.Replace(text, "chatcmpl-[0-9a-f]{32}", "chatcmpl-x");
        text = Regex.Replace(text, "call_[0-9a-f]{24}", "call_x");
        text = Regex.Replace(text, "\"created\":[0-9]+", "\"created\":7");
        return (context.Response.StatusCode, Regex.Replace(text, "fp_[0-9a-f]{10}", "fp_x"));

        void End(int choice, bool now)
        {
            if (now)
            {
                streams[choice].End(finish, ids[choice].Length + 1, null);
            }
        }
    }

    private const string Head = "data: {\"id\":\"chatcmpl-x\",\"object\":\"chat.completion.chunk\",\"created\":7,\"model\":\"tiny\",\"choices\":[";
    private const string Tail = "\"service_tier\":\"default\",\"system_fingerprint\":\"fp_x\",\"adapter_generation\":null}\n\n";

    private static string Chunk(string usage, int choice, string delta, string finish = "null") =>
        Head + $$"""{"index":{{choice}},"delta":{{delta}},"logprobs":null,"finish_reason":{{finish}}}],""" + usage + Tail;

    private static string UsageChunk(int prompt, int completion) =>
        Head + $$$"""],"usage":{"prompt_tokens":{{{prompt}}},"completion_tokens":{{{completion}}},"total_tokens":{{{prompt + completion}}},"prompt_tokens_details":{"cached_tokens":0}},""" + Tail;
}
