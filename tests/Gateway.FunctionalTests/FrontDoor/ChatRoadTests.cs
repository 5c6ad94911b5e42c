using System.Text.Json;
using Gateway.Security;
using Xunit;

namespace Gateway.FunctionalTests.FrontDoor;

public sealed class ChatRoadTests : IAsyncLifetime
{
    private GatewayUnderTest _gateway = null!;

    public async ValueTask InitializeAsync() => _gateway = await GatewayUnderTest.StartAsync();

    public ValueTask DisposeAsync() => _gateway.DisposeAsync();

    [Fact]
    public async Task A_whole_reply_carries_our_names_and_is_recorded_once()
    {
        using var response = await _gateway.ChatAsync(more: ""","user":"ann","temperature":0""");
        var reply = await GatewayUnderTest.ReadAsync(response);

        Assert.Equal("starter", reply.GetProperty("model").GetString());
        Assert.Equal("Hello", reply.GetProperty("choices")[0].GetProperty("message").GetProperty("content").GetString());
        Assert.Equal(JsonValueKind.Null, reply.GetProperty("adapter_generation").ValueKind);
        Assert.Equal("stable", response.Headers.GetValues("x-rollout-arm").Single());
        var id = reply.GetProperty("id").GetString()!;
        Assert.True(_gateway.Service<ResponseIdSigner>().Verify(id));

        // Readable at once by whoever has the reply.
        var record = await _gateway.GetAsync($"/v1/interactions/{id}");
        Assert.Equal("stop", record.GetProperty("end").GetString());
        Assert.Equal("Hello", record.GetProperty("reply").GetString());
        Assert.Equal("ann", record.GetProperty("user").GetString());
        Assert.Equal("user", record.GetProperty("unit_source").GetString());
        Assert.Equal(7, record.GetProperty("usage").GetProperty("prompt_tokens").GetInt32());
        Assert.Single(await _gateway.InteractionsAsync());
    }

    [Fact]
    public async Task The_worker_gets_its_own_model_name_and_nothing_of_the_clients_headers()
    {
        using var response = await _gateway.ChatAsync(more: ""","max_tokens":5,"stop":"x","stream":true""");
        await GatewayUnderTest.EventsAsync(response);

        Assert.True(_gateway.Worker.Requests.TryDequeue(out var sent));
        Assert.Equal("fake-base", sent.GetProperty("model").GetString());
        Assert.Equal(5, sent.GetProperty("max_completion_tokens").GetInt32());
        Assert.True(sent.GetProperty("stream_options").GetProperty("include_usage").GetBoolean());
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_stream_has_a_usage_chunk_only_when_asked_for(bool asked)
    {
        var options = asked ? ""","stream":true,"stream_options":{"include_usage":true}""" : ""","stream":true""";
        using var response = await _gateway.ChatAsync(more: options);
        Assert.Equal("text/event-stream", response.Content.Headers.ContentType!.MediaType);
        var events = await GatewayUnderTest.EventsAsync(response);

        Assert.Equal("[DONE]", events[^1]);
        var chunks = events.SkipLast(1).Select(data => JsonDocument.Parse(data).RootElement).ToList();
        Assert.Single(chunks.Select(chunk => chunk.GetProperty("id").GetString()).Distinct());
        Assert.All(chunks, chunk => Assert.Equal("starter", chunk.GetProperty("model").GetString()));
        Assert.All(chunks, chunk => Assert.Equal(asked, chunk.TryGetProperty("usage", out _)));
        Assert.Equal(asked ? 1 : 0, chunks.Count(chunk => chunk.GetProperty("choices").GetArrayLength() == 0));

        // The record has the counts in either case.
        var record = Assert.Single(await _gateway.InteractionsAsync());
        Assert.Equal(2, record.GetProperty("usage").GetProperty("completion_tokens").GetInt32());
        Assert.Equal("Hello", record.GetProperty("reply").GetString());
        Assert.True(record.GetProperty("timings").TryGetProperty("first_token_ms", out _));
    }

    [Fact]
    public async Task Every_chunk_of_a_stream_arrives_as_the_worker_sent_it_however_alike_they_are()
    {
        string[] texts = ["a", "bc", "", "ä\u4e16", "say \\\"hi\\\"\\n", "d", "\\u00e9", "{}", "e"];
        string[] deltas =
        [
            .. texts.Select(text => $$"""{"content":"{{text}}"}"""),
            """{"content":"f","refusal":null}""", """{"content":"g","refusal":null}""", """{ "content":"h"}""",
            """{"content":null}""", """{"content":"i","content":"j"}""", """{"content":"k"}""", """{"reasoning_content":"l"}""", """{"content":"m"}""",
        ];
        _gateway.Worker.Reply = (deltas, "{}");
        using var response = await _gateway.ChatAsync(more: ""","stream":true""");
        var chunks = (await GatewayUnderTest.EventsAsync(response)).SkipLast(1).Select(data => JsonDocument.Parse(data).RootElement).ToList();

        // The first brings the role, the last the reason.
        Assert.Equal(deltas, chunks.Skip(1).SkipLast(1).Select(chunk => chunk.GetProperty("choices")[0].GetProperty("delta").GetRawText()));
        Assert.Single(chunks.Select(chunk => chunk.GetProperty("id").GetString()).Distinct());
        Assert.All(chunks, chunk => Assert.Equal(
            "id object created model choices adapter_generation contract", string.Join(' ', chunk.EnumerateObject().Select(member => member.Name))));
        Assert.Equal("abcä\u4e16say \"hi\"\nd\u00e9{}efghjkm", (await _gateway.SingleInteractionAsync()).GetProperty("reply").GetString());
    }

    [Theory]
    [InlineData("b\"c")]
    [InlineData("b\nc")]
    [InlineData("b\\")]
    [InlineData("b\\x")]
    public async Task A_chunk_that_is_no_json_ends_the_stream_however_alike_it_is_to_those_before(string text)
    {
        _gateway.Worker.Reply = (["""{"content":"a"}""", """{"content":"a"}""", $$"""{"content":"{{text}}"}"""], "{}");
        using var response = await _gateway.ChatAsync(more: ""","stream":true""");
        var events = await GatewayUnderTest.EventsAsync(response);

        Assert.Equal("upstream_error", JsonDocument.Parse(events[^1]).RootElement.GetProperty("error").GetProperty("code").GetString());
        var record = await _gateway.SingleInteractionAsync();
        Assert.Equal("aa", record.GetProperty("reply").GetString());
        Assert.Equal("worker_failed", record.GetProperty("end").GetString());
    }

    [Fact]
    public async Task A_client_that_leaves_a_stream_cancels_the_worker_and_is_recorded_once()
    {
        _gateway.Worker.Ending = "hang";
        using (var response = await _gateway.ChatAsync(more: ""","stream":true"""))
        {
            await GatewayUnderTest.ReadUntilAsync(response, "lo");
        }

        await _gateway.Worker.Cancelled.Task.WaitAsync(TestContext.Current.CancellationToken);
        var record = await _gateway.SingleInteractionAsync();
        Assert.Equal("client_gone", record.GetProperty("end").GetString());
        Assert.Equal(499, record.GetProperty("status").GetInt32());
        Assert.Equal("Hello", record.GetProperty("reply").GetString());
    }

    [Fact]
    public async Task A_client_that_leaves_before_a_whole_reply_is_recorded_once()
    {
        _gateway.Worker.Ending = "hang";
        using var leaving = new CancellationTokenSource();
        var request = _gateway.Client.PostAsync(
            "/v1/chat/completions",
            new StringContent("""{"model":"starter","messages":[{"role":"user","content":"Hi"}]}""", System.Text.Encoding.UTF8, "application/json"),
            leaving.Token);
        while (_gateway.Worker.Requests.IsEmpty)
        {
            await Task.Yield();
        }

        await leaving.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => request);
        var record = await _gateway.SingleInteractionAsync();
        Assert.Equal("client_gone", record.GetProperty("end").GetString());
    }

    [Theory]
    [InlineData("die")]
    [InlineData("silence")]
    public async Task A_worker_that_breaks_off_ends_the_stream_with_an_error_and_without_done(string ending)
    {
        _gateway.Worker.Ending = ending;
        using var response = await _gateway.ChatAsync(more: ""","stream":true""");
        var seen = await GatewayUnderTest.ReadUntilAsync(response, "lo");
        _gateway.Worker.Die.SetResult();
        var events = await GatewayUnderTest.EventsAsync(response, seen);

        Assert.Equal("upstream_error", JsonDocument.Parse(events[^1]).RootElement.GetProperty("error").GetProperty("code").GetString());
        Assert.DoesNotContain("[DONE]", events);
        var record = Assert.Single(await _gateway.InteractionsAsync());
        Assert.Equal("worker_failed", record.GetProperty("end").GetString());
        Assert.Equal("Hello", record.GetProperty("reply").GetString());
        Assert.Equal("error", record.GetProperty("flags")[0].GetProperty("kind").GetString());
    }

    [Fact]
    public async Task A_reply_cut_by_the_limit_is_flagged()
    {
        _gateway.Worker.FinishReason = "length";
        using var response = await _gateway.ChatAsync();
        await GatewayUnderTest.ReadAsync(response);

        var record = Assert.Single(await _gateway.InteractionsAsync());
        Assert.Equal("length", record.GetProperty("end").GetString());
        Assert.Equal("truncated", record.GetProperty("flags")[0].GetProperty("kind").GetString());
    }

    [Fact]
    public async Task A_workers_refusal_reaches_the_client_in_our_form()
    {
        _gateway.Worker.Status = 400;
        using var response = await _gateway.ChatAsync();

        Assert.Equal("invalid_value", await GatewayUnderTest.ErrorCodeAsync(response, 400));
        Assert.Equal("refused", Assert.Single(await _gateway.InteractionsAsync()).GetProperty("end").GetString());
    }

    [Fact]
    public async Task A_failing_worker_is_a_bad_gateway()
    {
        _gateway.Worker.Status = 500;
        using var response = await _gateway.ChatAsync();

        Assert.Equal("upstream_error", await GatewayUnderTest.ErrorCodeAsync(response, 502));
        Assert.Equal("worker_failed", Assert.Single(await _gateway.InteractionsAsync()).GetProperty("end").GetString());
    }

    [Fact]
    public async Task What_the_reply_must_look_like_reaches_the_worker()
    {
        using var response = await _gateway.ChatAsync(more: ""","structured_outputs":{"choice":["yes","no"]}""");

        Assert.Equal(200, (int)response.StatusCode);
        Assert.Equal("""["yes","no"]""", Assert.Single(_gateway.Worker.Requests).GetProperty("structured_outputs").GetProperty("choice").GetRawText());
    }

    [Fact]
    public async Task A_callers_own_template_is_refused_and_recorded()
    {
        using var response = await _gateway.ChatAsync(more: ""","chat_template":"{{ 1 }}" """);

        Assert.Equal("unsupported_parameter", await GatewayUnderTest.ErrorCodeAsync(response, 400));
        Assert.Equal("refused", Assert.Single(await _gateway.InteractionsAsync()).GetProperty("end").GetString());
        Assert.Empty(_gateway.Worker.Requests);
    }

    [Theory]
    [InlineData("""{"model":"nobody","messages":[{"role":"user","content":"Hi"}]}""", 404, "model_not_found")]
    [InlineData("""{"model":"starter--0123456789ab","messages":[{"role":"user","content":"Hi"}]}""", 404, "model_not_found")]
    [InlineData("""{"model":"starter","messages":[]}""", 400, "invalid_value")]
    [InlineData("""{"model":"starter","messages":[{"role":"user","content":"Hi"}],"use_beam_search":true}""", 400, "unsupported_parameter")]
    [InlineData("""{"model":""", 400, "invalid_json")]
    public async Task What_names_no_deployment_or_is_malformed_is_not_an_interaction(string body, int status, string code)
    {
        using var response = await _gateway.PostAsync("/v1/chat/completions", body);

        Assert.Equal(code, await GatewayUnderTest.ErrorCodeAsync(response, status));
        Assert.Empty(await _gateway.InteractionsAsync());
    }

    [Fact]
    public async Task Unknown_fields_are_named_and_opting_out_is_recorded()
    {
        var request = new HttpRequestMessage(HttpMethod.Post, "/v1/chat/completions")
        {
            Content = new StringContent("""{"model":"starter","messages":[{"role":"user","content":"Hi"}],"wild":1}""", System.Text.Encoding.UTF8, "application/json"),
        };
        request.Headers.Add("x-training-opt-out", "true");
        using var response = await _gateway.Client.SendAsync(request, TestContext.Current.CancellationToken);

        Assert.Equal("wild", response.Headers.GetValues("x-ignored-parameters").Single());
        Assert.True(Assert.Single(await _gateway.InteractionsAsync()).GetProperty("opt_out").GetBoolean());
    }
}
