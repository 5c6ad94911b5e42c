using System.Text.Json;
using Gateway.Domain.Guards;
using Gateway.FunctionalTests.FrontDoor;
using Xunit;

namespace Gateway.FunctionalTests.Responses;

/// <summary>The events of a response, in order and to the member; each stream's last snapshot is what can be read later.</summary>
public sealed class ResponseStreamTests : IAsyncLifetime
{
    private static readonly string[] s_message =
    [
        "response.output_item.added", "response.content_part.added", "response.output_text.delta", "response.output_text.delta", "response.output_text.done",
        "response.content_part.done", "response.output_item.done",
    ];

    private GatewayUnderTest _gateway = null!;

    public async ValueTask InitializeAsync() => _gateway = await GatewayUnderTest.StartAsync();

    public ValueTask DisposeAsync() => _gateway.DisposeAsync();

    [Fact]
    public async Task Text_is_told_in_deltas_that_sum_up_to_what_is_kept()
    {
        _gateway.Worker.Chunks = ["Hé", "llo 😀"];
        var events = await _gateway.StreamAsync();

        Assert.Equal(["response.created", "response.in_progress", .. s_message, "response.completed"], events.Select(e => e.Type));
        Assert.Equal("in_progress", events[0].Data.GetProperty("response").GetProperty("status").GetString());
        Assert.Equal(JsonValueKind.Null, events[0].Data.GetProperty("response").GetProperty("usage").ValueKind);
        Assert.Equal("""{"type":"response.output_item.added","sequence_number":2,"output_index":0,"item":{"id":"msg_1","type":"message","status":"in_progress","role":"assistant","content":[]}}""", ResponsesUnderTest.Normal(events[2].Data));
        Assert.Equal("""{"type":"response.content_part.added","sequence_number":3,"item_id":"msg_1","output_index":0,"content_index":0,"part":{"type":"output_text","text":"","annotations":[],"logprobs":[]}}""", ResponsesUnderTest.Normal(events[3].Data));
        Assert.Equal("""{"type":"response.output_text.delta","sequence_number":4,"item_id":"msg_1","output_index":0,"content_index":0,"delta":"Hé","logprobs":[]}""", ResponsesUnderTest.Normal(events[4].Data));
        Assert.Equal("""{"type":"response.output_text.done","sequence_number":6,"item_id":"msg_1","output_index":0,"content_index":0,"text":"Héllo \uD83D\uDE00","logprobs":[]}""", ResponsesUnderTest.Normal(events[6].Data));
        Assert.Equal("""{"type":"response.output_item.done","sequence_number":8,"output_index":0,"item":{"id":"msg_1","type":"message","status":"completed","role":"assistant","content":[{"type":"output_text","text":"Héllo \uD83D\uDE00","annotations":[],"logprobs":[]}]}}""", ResponsesUnderTest.Normal(events[8].Data));
        await AssertKeptAsync(events[^1]);
    }

    [Fact]
    public async Task A_whole_reply_has_every_member_of_the_last_event()
    {
        var events = await _gateway.StreamAsync();
        var whole = await _gateway.CreateAsync();
        Assert.Equal(
            ResponsesUnderTest.Normal(events[^1].Data.GetProperty("response")), ResponsesUnderTest.Normal(whole));
        Assert.Equal(
            """{"id":"resp_","object":"response","created_at":1,"completed_at":1,"status":"completed","background":false,"error":null,"incomplete_details":null,"instructions":null,"max_output_tokens":null,"max_tool_calls":null,"model":"starter","output":[{"id":"msg_1","type":"message","status":"completed","role":"assistant","content":[{"type":"output_text","text":"Hello","annotations":[],"logprobs":[]}]}],"parallel_tool_calls":true,"previous_response_id":null,"prompt_cache_key":null,"reasoning":{"effort":null,"summary":null},"safety_identifier":null,"service_tier":"default","store":true,"temperature":1,"text":{"format":{"type":"text"},"verbosity":"medium"},"tool_choice":"auto","tools":[],"top_logprobs":0,"top_p":1,"truncation":"disabled","usage":{"input_tokens":7,"input_tokens_details":{"cached_tokens":0,"cache_write_tokens":0},"output_tokens":2,"output_tokens_details":{"reasoning_tokens":0},"total_tokens":9},"user":null,"metadata":{},"adapter_generation":null,"contract":null}""",
            ResponsesUnderTest.Normal(whole));
    }

    [Fact]
    public async Task Calls_follow_the_text_one_after_the_other()
    {
        _gateway.Worker.FinishReason = "tool_calls";
        _gateway.Worker.Reply = (
            [
                """{"content":"Let me see."}""",
                """{"tool_calls":[{"index":0,"id":"call_a","type":"function","function":{"name":"weather","arguments":""}}]}""",
                """{"tool_calls":[{"index":0,"function":{"arguments":"{\"city\":"}}]}""",
                """{"tool_calls":[{"index":0,"function":{"arguments":"\"Rome\"}"}}]}""",
                """{"tool_calls":[{"index":1,"id":"call_b","type":"function","function":{"name":"weather","arguments":"{}"}}]}""",
            ],
            """{"role":"assistant","content":"Let me see.","tool_calls":[{"id":"call_a","type":"function","function":{"name":"weather","arguments":"{\"city\":\"Rome\"}"}},{"id":"call_b","type":"function","function":{"name":"weather","arguments":"{}"}}]}""");
        var events = await _gateway.StreamAsync(more: $$""","tools":[{{ResponsesUnderTest.Weather}}]""");

        Assert.Equal(
            [
                "response.output_item.added", "response.function_call_arguments.delta", "response.function_call_arguments.delta", "response.function_call_arguments.done", "response.output_item.done",
                "response.output_item.added", "response.function_call_arguments.delta", "response.function_call_arguments.done", "response.output_item.done", "response.completed",
            ],
            events.Skip(8).Select(e => e.Type));
        Assert.Equal("""{"type":"response.output_item.added","sequence_number":8,"output_index":1,"item":{"id":"fc_2","type":"function_call","status":"in_progress","call_id":"call_a","name":"weather","arguments":""}}""", ResponsesUnderTest.Normal(events[8].Data));
        Assert.Equal("""{"type":"response.function_call_arguments.done","sequence_number":11,"item_id":"fc_2","output_index":1,"name":"weather","arguments":"{\"city\":\"Rome\"}"}""", ResponsesUnderTest.Normal(events[11].Data));
        Assert.Equal(2, events[13].Data.GetProperty("output_index").GetInt32());
        await AssertKeptAsync(events[^1]);

        var whole = await _gateway.CreateAsync(more: $$""","tools":[{{ResponsesUnderTest.Weather}}]""");
        Assert.Equal(ResponsesUnderTest.Normal(events[^1].Data.GetProperty("response")), ResponsesUnderTest.Normal(whole));
    }

    [Fact]
    public async Task A_call_that_was_cut_is_never_told_as_done()
    {
        _gateway.Worker.FinishReason = "length";
        _gateway.Worker.Reply = (["""{"tool_calls":[{"index":0,"id":"call_a","type":"function","function":{"name":"weather","arguments":"{\"ci"}}]}"""], "{}");
        var events = await _gateway.StreamAsync(more: $$""","tools":[{{ResponsesUnderTest.Weather}}]""");

        Assert.Equal(
            ["response.created", "response.in_progress", "response.output_item.added", "response.function_call_arguments.delta", "response.output_item.done", "response.incomplete"],
            events.Select(e => e.Type));
        Assert.Equal("incomplete", events[4].Data.GetProperty("item").GetProperty("status").GetString());
        var response = events[^1].Data.GetProperty("response");
        Assert.Equal(("incomplete", "max_output_tokens"), (response.GetProperty("status").GetString(), response.GetProperty("incomplete_details").GetProperty("reason").GetString()));
        Assert.Equal(JsonValueKind.Null, response.GetProperty("completed_at").ValueKind);

        // The call was never made, so the conversation goes on without it.
        _gateway.Worker.Requests.Clear();
        await _gateway.CreateAsync("\"And?\"", $$""","previous_response_id":"{{response.Id()}}" """);
        Assert.True(_gateway.Worker.Requests.TryDequeue(out var sent));
        Assert.Equal(["Hi", "And?"], sent.GetProperty("messages").EnumerateArray().Select(message => message.GetProperty("content").GetString()));
    }

    [Fact]
    public async Task Nothing_at_all_is_a_message_without_text()
    {
        _gateway.Worker.Chunks = [];
        var events = await _gateway.StreamAsync();
        Assert.Equal(["response.created", "response.in_progress", .. s_message.Where(type => !type.EndsWith("delta", StringComparison.Ordinal)), "response.completed"], events.Select(e => e.Type));
    }

    [Fact]
    public async Task A_worker_that_dies_is_told_twice_and_the_response_is_failed()
    {
        _gateway.Worker.Ending = "die";
        using var response = await _gateway.Client.SendAsync(
            new HttpRequestMessage(HttpMethod.Post, "/v1/responses") { Content = new StringContent("""{"model":"starter","input":"Hi","stream":true}""", System.Text.Encoding.UTF8, "application/json") },
            HttpCompletionOption.ResponseHeadersRead, TestContext.Current.CancellationToken);
        var seen = await GatewayUnderTest.ReadUntilAsync(response, "\"lo\"");
        _gateway.Worker.Die.SetResult();
        var events = await ResponsesUnderTest.ReadEventsAsync(response, seen);

        Assert.Equal(["error", "response.failed"], events.TakeLast(2).Select(e => e.Type));
        var error = events[^2].Data;
        Assert.Equal("upstream_error", error.GetProperty("code").GetString());
        Assert.Equal("server_error", error.GetProperty("error").GetProperty("type").GetString());
        Assert.DoesNotContain(events, e => e.Type is "response.output_text.done" or "response.output_item.done");
        var failed = events[^1].Data.GetProperty("response");
        Assert.Equal(("failed", "server_error"), (failed.GetProperty("status").GetString(), failed.GetProperty("error").GetProperty("code").GetString()));
        Assert.Equal("incomplete", failed.GetProperty("output")[0].GetProperty("status").GetString());
        await AssertKeptAsync(events[^1]);
        Assert.Equal("worker_failed", (await _gateway.SingleInteractionAsync()).GetProperty("end").GetString());

        using var next = await _gateway.RespondAsync(more: $$""","previous_response_id":"{{failed.Id()}}" """);
        Assert.Equal("previous_response_not_found", await GatewayUnderTest.ErrorCodeAsync(next, 400));
    }

    [Fact]
    public async Task A_blocked_reply_is_incomplete_and_a_blocked_or_redacted_message_is_not_kept_as_it_was()
    {
        var policy = new GuardPolicy
        {
            Window = 10,
            Rules =
            [
                new() { Id = "code", Kind = GuardKind.Pattern, Pattern = "[A-Z]{3}-[0-9]{4}", Stage = GuardStage.Output },
                new() { Id = "pii", Kind = GuardKind.Pii, Action = GuardAction.Redact, Stage = GuardStage.Input },
            ],
        };
        await using var gateway = await GatewayUnderTest.StartAsync(with: options => options with { Guards = policy });
        gateway.Worker.Chunks = ["The code you asked for is ", "AB", "C-1", "2", "34, as ", "ever."];
        var events = await gateway.StreamAsync("\"I am ann@example.com\"");

        var response = events[^1].Data.GetProperty("response");
        Assert.Equal(("response.incomplete", "content_filter"), (events[^1].Type, response.GetProperty("incomplete_details").GetProperty("reason").GetString()));
        Assert.DoesNotContain("ABC", response.GetProperty("output").GetRawText(), StringComparison.Ordinal);
        Assert.Equal("incomplete", response.GetProperty("output")[0].GetProperty("status").GetString());
        var items = await gateway.GetAsync($"/v1/responses/{response.Id()}/input_items");
        Assert.Equal("I am <PII>", items.GetProperty("data")[0].GetProperty("content")[0].GetProperty("text").GetString());
    }

    [Fact]
    public async Task A_refusal_has_a_part_of_its_own()
    {
        _gateway.Worker.Reply = (["""{"refusal":"I can"}""", """{"refusal":"not."}"""], "{}");
        var events = await _gateway.StreamAsync();
        Assert.Equal(["response.refusal.delta", "response.refusal.delta", "response.refusal.done"], events.Select(e => e.Type).Where(type => type.Contains("refusal", StringComparison.Ordinal)));
        Assert.Equal("""{"type":"refusal","refusal":"I cannot."}""", events[^1].Data.GetProperty("response").GetProperty("output")[0].GetProperty("content")[0].GetRawText());
    }

    private async Task AssertKeptAsync(ResponseEvent last)
    {
        var snapshot = last.Data.GetProperty("response");
        Assert.True(JsonElement.DeepEquals(snapshot, await _gateway.GetAsync($"/v1/responses/{snapshot.Id()}")));
    }
}
