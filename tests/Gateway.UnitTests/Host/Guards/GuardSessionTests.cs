using System.Buffers;
using System.Text;
using System.Text.Json;
using Gateway.Domain.Guards;
using Gateway.Guards;
using Xunit;

namespace Gateway.UnitTests.Host.Guards;

/// <summary>Parts of a reply that are not its text: tool calls, several choices, and what guards do not know.</summary>
public sealed class GuardSessionTests
{
    private static readonly GuardRule Code = new() { Id = "code", Kind = GuardKind.Pattern, Pattern = "[A-Z]{3}-[0-9]{4}", Action = GuardAction.Redact };

    [Fact]
    public async Task A_streamed_tool_call_leaves_whole_with_the_finish_and_what_it_may_not_say_is_replaced()
    {
        var session = Begin(Code);
        Assert.Equal("", await PassAsync(session, """{"index":0,"delta":{"tool_calls":[{"index":0,"id":"call_1","type":"function","function":{"name":"send","arguments":"{\"c\":\"AB"}}]},"finish_reason":null}"""));
        Assert.Equal("", await PassAsync(session, """{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"C-1234\"}"}}]},"finish_reason":null}"""));
        Assert.Equal(
            """[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"call_1","type":"function","function":{"name":"send","arguments":"{\"c\":\"<CODE>\"}"}}]},"finish_reason":"tool_calls"}]""",
            await PassAsync(session, """{"index":0,"delta":{},"finish_reason":"tool_calls"}"""));
    }

    [Fact]
    public async Task A_blocked_tool_call_of_a_whole_reply_does_not_leave()
    {
        var session = Begin(Code with { Action = GuardAction.Block });
        var written = await PassAsync(
            session, """{"index":0,"message":{"role":"assistant","content":null,"tool_calls":[{"id":"call_1","type":"function","function":{"name":"send","arguments":"ABC-1234"}}]},"finish_reason":"tool_calls"}""");
        Assert.Equal("""[{"index":0,"message":{"role":"assistant","content":null},"finish_reason":"content_filter"}]""", written);
    }

    [Fact]
    public async Task Choices_are_guarded_apart_and_unknown_members_do_not_leave()
    {
        var session = Begin(Code with { Action = GuardAction.Block });
        var blocked = await PassAsync(session, """{"index":0,"delta":{"content":"x ABC-1234 y"},"finish_reason":null,"logprobs":{"content":[{"token":"ABC"}]}}""");
        Assert.Equal("""[{"index":0,"delta":{"content":""},"finish_reason":"content_filter","logprobs":null}]""", blocked);
        var other = await PassAsync(session, """{"index":1,"delta":{"content":"fine","reasoning_content":"ABC-1234"},"finish_reason":"stop"}""");
        Assert.Equal("""[{"index":1,"delta":{"content":"fine"},"finish_reason":"stop"}]""", other);
        Assert.Equal("", await PassAsync(session, """{"index":0,"delta":{"content":"more"},"finish_reason":null}"""));
        Assert.Equal("the guard 'code' blocked the reply", Assert.Single(session.Flags()).Reason);
    }

    [Fact]
    public async Task A_text_completion_is_guarded_as_well()
    {
        var session = Begin(Code);
        Assert.Equal("", await PassAsync(session, """{"index":0,"text":"ABC-12","finish_reason":null}"""));
        Assert.Equal("""[{"index":0,"text":"<CODE>","finish_reason":"stop"}]""", await PassAsync(session, """{"index":0,"text":"34","finish_reason":"stop"}"""));
    }

    private static GuardSession Begin(GuardRule rule) =>
        new GuardChains(new GuardPolicy { Rules = [rule] }, new GuardClassifier([], TimeProvider.System)).For(contract: null)!.Begin();

    private static async Task<string> PassAsync(GuardSession session, string choice)
    {
        using var document = JsonDocument.Parse($"{{\"choices\":[{choice}]}}");
        var guarded = await session.CheckAsync(document.RootElement, TestContext.Current.CancellationToken);
        if (guarded.IsEmpty)
        {
            return "";
        }

        var buffer = new ArrayBufferWriter<byte>();
        using (var writer = new Utf8JsonWriter(buffer, new JsonWriterOptions { Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping, SkipValidation = true }))
        {
            writer.WriteStartObject();
            guarded.WriteTo(writer, document.RootElement.GetProperty("choices"));
            writer.WriteEndObject();
        }

        var text = Encoding.UTF8.GetString(buffer.WrittenSpan);
        return text["{\"choices\":".Length..^1];
    }
}
