using System.Buffers;
using System.Text;
using System.Text.Json;
using Gateway.Api.Wire;
using Gateway.Domain.Interactions;
using Xunit;

namespace Gateway.UnitTests.Host.Wire;

public sealed class ChatCompletionWriterTests
{
    private static readonly ReplyHead Head = new("chatcmpl-1", 7, "m", null, null);

    [Fact]
    public void WriteCompletion_HasTheExactShape()
    {
        var output = new ArrayBufferWriter<byte>();
        using var writer = new ChatCompletionWriter(Head with { AdapterGeneration = "ab" }, includeUsage: false);

        writer.WriteWhole(output, [new WholeChoice(new ReplyDelta("é \"x\"", [], []), new ChoiceEnd("stop"))], new TokenUsage(3, 2), cachedPromptTokens: 1);

        Assert.Equal(
            """{"id":"chatcmpl-1","object":"chat.completion","created":7,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"é \"x\"","refusal":null},"logprobs":null,"finish_reason":"stop"}],"usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5,"prompt_tokens_details":{"cached_tokens":1}},"service_tier":"default","system_fingerprint":null,"adapter_generation":"ab"}""",
            Encoding.UTF8.GetString(output.WrittenSpan));
    }

    [Theory]
    [InlineData(false, "")]
    [InlineData(true, "\"usage\":null,")]
    public void Stream_HasTheExactEvents(bool includeUsage, string usage)
    {
        var output = new ArrayBufferWriter<byte>();
        using var writer = new ChatCompletionWriter(Head, includeUsage);

        writer.WriteStart(output, 0);
        writer.WriteDelta(output, 0, new ReplyDelta("hi", [], []));
        writer.WriteFinish(output, 0, new ChoiceEnd("length"));
        if (includeUsage)
        {
            writer.WriteUsageEvent(output, new TokenUsage(3, 2), cachedPromptTokens: 1);
        }

        ReplyWriter.WriteDone(output);

        const string open = "data: {\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"created\":7,\"model\":\"m\",\"choices\":[";
        const string close = "\"service_tier\":\"default\",\"system_fingerprint\":null,\"adapter_generation\":null}\n\n";
        var expected =
            open + "{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"},\"logprobs\":null,\"finish_reason\":null}]," + usage + close +
            open + "{\"index\":0,\"delta\":{\"content\":\"hi\"},\"logprobs\":null,\"finish_reason\":null}]," + usage + close +
            open + "{\"index\":0,\"delta\":{},\"logprobs\":null,\"finish_reason\":\"length\"}]," + usage + close +
            (includeUsage ? open + "],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":2,\"total_tokens\":5,\"prompt_tokens_details\":{\"cached_tokens\":1}}," + close : "") +
            "data: [DONE]\n\n";
        Assert.Equal(expected, Encoding.UTF8.GetString(output.WrittenSpan));
    }

    [Fact]
    public void WriteErrorEvent_HasAllFourMembers()
    {
        var output = new ArrayBufferWriter<byte>();
        using var writer = new ChatCompletionWriter(Head, includeUsage: false);

        writer.WriteErrorEvent(output, ApiError.InternalError());

        var text = Encoding.UTF8.GetString(output.WrittenSpan);
        Assert.StartsWith("data: ", text, StringComparison.Ordinal);
        Assert.EndsWith("\n\n", text, StringComparison.Ordinal);
        using var json = JsonDocument.Parse(text[6..]);
        Assert.Equal(["message", "type", "param", "code"], json.RootElement.GetProperty("error").EnumerateObject().Select(p => p.Name));
    }
}
