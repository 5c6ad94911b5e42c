using System.Net;
using System.Text.Json;
using Gateway.FunctionalTests.FrontDoor;
using Gateway.FunctionalTests.Security;
using Gateway.Responses;
using Gateway.TestKit.Storage;
using Xunit;

namespace Gateway.FunctionalTests.Responses;

/// <summary>What is taken, refused, kept and continued.</summary>
public sealed class ResponsesApiTests : IAsyncLifetime
{
    private GatewayUnderTest _gateway = null!;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync() => _gateway = await GatewayUnderTest.StartAsync();

    public ValueTask DisposeAsync() => _gateway.DisposeAsync();

    [Theory]
    [InlineData("""{"input":"a"}""", "missing_required_parameter", "model")]
    [InlineData("""{"model":"starter"}""", "missing_required_parameter", "input")]
    [InlineData("""{"model":"starter","input":5}""", "invalid_value", "input")]
    [InlineData("""{"model":"starter","input":[]}""", "invalid_value", "input")]
    [InlineData("""{"model":"starter","input":"a","max_output_tokens":0}""", "invalid_value", "max_output_tokens")]
    [InlineData("""{"model":"starter","input":"a","stream_options":{}}""", "invalid_value", "stream_options")]
    [InlineData("""{"model":"starter","input":"a","messages":[]}""", "unsupported_parameter", "messages")]
    [InlineData("""{"model":"starter","input":"a","response_format":{"type":"json_object"}}""", "unsupported_parameter", "response_format")]
    [InlineData("""{"model":"starter","input":"a","max_tokens":5}""", "unsupported_parameter", "max_tokens")]
    [InlineData("""{"model":"starter","input":"a","max_completion_tokens":5}""", "unsupported_parameter", "max_completion_tokens")]
    [InlineData("""{"model":"starter","input":"a","functions":[]}""", "unsupported_parameter", "functions")]
    [InlineData("""{"model":"starter","input":"a","function_call":"auto"}""", "unsupported_parameter", "function_call")]
    [InlineData("""{"model":"starter","input":"a","logprobs":true}""", "unsupported_parameter", "logprobs")]
    [InlineData("""{"model":"starter","input":"a","reasoning_effort":"low"}""", "unsupported_parameter", "reasoning_effort")]
    [InlineData("""{"model":"starter","input":"a","n":2}""", "unsupported_parameter", "n")]
    [InlineData("""{"model":"starter","input":"a","background":true}""", "unsupported_parameter", "background")]
    [InlineData("""{"model":"starter","input":"a","conversation":"c"}""", "unsupported_parameter", "conversation")]
    [InlineData("""{"model":"starter","input":"a","prompt":{"id":"p"}}""", "unsupported_parameter", "prompt")]
    [InlineData("""{"model":"starter","input":"a","context_management":[]}""", "unsupported_parameter", "context_management")]
    [InlineData("""{"model":"starter","input":"a","chat_template":"x"}""", "unsupported_parameter", "chat_template")]
    [InlineData("""{"model":"starter","input":"a","include":["nothing"]}""", "invalid_value", "include[0]")]
    [InlineData("""{"model":"starter","input":"a","truncation":"some"}""", "invalid_value", "truncation")]
    [InlineData("""{"model":"starter","input":"a","tools":[{"type":"web_search"}]}""", "unsupported_tool", "tools[0].type")]
    [InlineData("""{"model":"starter","input":"a","tools":[{"type":"function","function":{"name":"f"}}]}""", "unsupported_parameter", "tools[0].function")]
    [InlineData("""{"model":"starter","input":"a","tools":[{"type":"function","name":"f"},{"type":"function","name":"f"}]}""", "invalid_value", "tools")]
    [InlineData("""{"model":"starter","input":"a","tools":[{"type":"function","name":"f","strict":true,"parameters":{"type":"object","unevaluatedProperties":false}}]}""", "unsupported_schema", "tools[0].parameters")]
    [InlineData("""{"model":"starter","input":"a","tool_choice":{"type":"function","name":"f"}}""", "invalid_value", "tool_choice.name")]
    [InlineData("""{"model":"starter","input":"a","tool_choice":{"type":"web_search"}}""", "unsupported_tool", "tool_choice.type")]
    [InlineData("""{"model":"starter","input":"a","tool_choice":"required"}""", "invalid_value", "tool_choice")]
    [InlineData("""{"model":"starter","input":"a","text":{"format":{"type":"json_schema","name":"r","strict":true,"schema":{"type":"object","unevaluatedProperties":false}}}}""", "unsupported_schema", "text.format.schema")]
    [InlineData("""{"model":"starter","input":"a","text":{"format":{"type":"json_schema","json_schema":{}}}}""", "unsupported_parameter", "text.format.json_schema")]
    [InlineData("""{"model":"starter","input":"a","text":{"format":{"type":"grammar"}}}""", "unsupported_parameter", "text.format.type")]
    [InlineData("""{"model":"starter","input":[{"role":"user","content":[{"type":"input_text","text":"a"},{"type":"input_image"}]}]}""", "unsupported_content", "input[0].content[1].type")]
    [InlineData("""{"model":"starter","input":[{"role":"tool","content":"a"}]}""", "invalid_value", "input[0].role")]
    [InlineData("""{"model":"starter","input":[{"type":"web_search_call","id":"x"}]}""", "unsupported_item", "input[0].type")]
    [InlineData("""{"model":"starter","input":[{"name":"x"}]}""", "missing_required_parameter", "input[0].type")]
    [InlineData("""{"model":"starter","input":[{"type":"function_call","call_id":"c","name":"f"}]}""", "missing_required_parameter", "input[0].arguments")]
    [InlineData("""{"model":"starter","input":[{"type":"function_call","call_id":"c","name":"f","arguments":"{}"}]}""", "invalid_value", "input")]
    [InlineData("""{"model":"starter","input":[{"type":"function_call_output","call_id":"c","output":"o"}]}""", "invalid_value", "input")]
    [InlineData("""{"model":"starter","input":[{"type":"function_call","call_id":"c","name":"f","arguments":"{}"},{"type":"function_call","call_id":"c","name":"f","arguments":"{}"},{"type":"function_call_output","call_id":"c","output":"o"}]}""", "invalid_value", "input")]
    [InlineData("""{"model":"starter","input":"a","previous_response_id":"resp_unknown"}""", "previous_response_not_found", "previous_response_id")]
    public async Task What_cannot_be_honoured_is_refused_by_name(string body, string code, string param)
    {
        using var response = await _gateway.PostAsync("/v1/responses", body);
        Assert.Equal(code, await GatewayUnderTest.ErrorCodeAsync(response, 400));
        Assert.Equal(param, JsonDocument.Parse(await response.Content.ReadAsStringAsync(Token)).RootElement.GetProperty("error").GetProperty("param").GetString());
        Assert.Empty(_gateway.Worker.Requests);
    }

    [Fact]
    public async Task Unknown_models_and_items_and_parts_of_the_api_are_404()
    {
        using var model = await _gateway.PostAsync("/v1/responses", """{"model":"nobody","input":"a"}""");
        Assert.Equal("model_not_found", await GatewayUnderTest.ErrorCodeAsync(model, 404));
        using var item = await _gateway.RespondAsync("""[{"id":"msg_x"}]""");
        Assert.Equal("not_found", await GatewayUnderTest.ErrorCodeAsync(item, 404));
        foreach (var path in (string[])["/v1/responses/compact", "/v1/conversations", "/v1/conversations/c/items"])
        {
            using var response = await _gateway.PostAsync(path, "{}");
            Assert.Equal("unsupported_endpoint", await GatewayUnderTest.ErrorCodeAsync(response, 404));
        }

        using var socket = await _gateway.Client.GetAsync("/v1/responses", Token);
        Assert.Equal("unsupported_endpoint", await GatewayUnderTest.ErrorCodeAsync(socket, 404));
        foreach (var path in (string[])["/v1/responses/resp_x", "/v1/responses/resp_x/input_items"])
        {
            using var missing = await _gateway.Client.GetAsync(path, Token);
            Assert.Equal("not_found", await GatewayUnderTest.ErrorCodeAsync(missing, 404));
            Assert.Contains("not found", await missing.Content.ReadAsStringAsync(Token), StringComparison.Ordinal);
        }

        using var cancelled = await _gateway.PostAsync("/v1/responses/resp_x/cancel", "{}");
        Assert.Equal("not_found", await GatewayUnderTest.ErrorCodeAsync(cancelled, 404));
    }

    [Fact]
    public async Task Fields_without_effect_are_named_and_no_ops_pass()
    {
        using var response = await _gateway.RespondAsync(more:
            $$""","n":1,"logprobs":false,"response_format":{"type":"text"},"moderation":{},"prompt_cache_retention":"24h","include":["reasoning.encrypted_content"],"reasoning":{"effort":"low","summary":"auto"},"text":{},"tools":[{"type":"function","name":"f","defer_loading":true}],"tool_choice":"none","unheard_of":1,"conversation":null""");
        var body = await GatewayUnderTest.ReadAsync(response);
        Assert.Equal(
            "moderation, prompt_cache_retention, include%5B0%5D, reasoning.summary, tools%5B0%5D.defer_loading, unheard_of", response.Headers.GetValues("x-ignored-parameters").Single());
        Assert.Equal("""{"effort":"low","summary":null}""", body.GetProperty("reasoning").GetRawText());
        Assert.Equal("""[{"type":"function","name":"f","description":null,"parameters":{"type":"object","properties":{}},"strict":true}]""", body.GetProperty("tools").GetRawText());
    }

    [Fact]
    public async Task A_conversation_goes_on_with_its_items_and_without_its_instructions()
    {
        var first = await _gateway.CreateAsync("\"Hi\"", ""","instructions":"Be brief.","metadata":{"a":"b"}""");
        var second = await _gateway.CreateAsync("\"And?\"", $$""","instructions":"Be kind.","previous_response_id":"{{first.Id()}}" """);
        var fork = await _gateway.CreateAsync("""[{"role":"user","content":[{"type":"input_text","text":"Or"},{"type":"text","text":"?"}]}]""", $$""","previous_response_id":"{{first.Id()}}" """);

        var sent = _gateway.Worker.Requests.ToList();
        Assert.Equal(["developer Be brief.", "user Hi"], Messages(sent[0]));
        Assert.Equal(["developer Be kind.", "user Hi", "assistant Hello", "user And?"], Messages(sent[1]));
        Assert.Equal(["user Hi", "assistant Hello", "user Or?"], Messages(sent[2]));
        Assert.Equal("{}", second.GetProperty("metadata").GetRawText());
        Assert.Equal(first.Id(), fork.GetProperty("previous_response_id").GetString());

        // The arm follows the conversation.
        var units = (await _gateway.InteractionsAsync()).Select(interaction => interaction.GetProperty("unit_hash").GetString()).Distinct();
        Assert.Single(units);

        using var deleted = await _gateway.Client.DeleteAsync($"/v1/responses/{first.Id()}", Token);
        Assert.Equal($$"""{"id":"{{first.Id()}}","object":"response.deleted","deleted":true}""", await deleted.Content.ReadAsStringAsync(Token));
        using var orphan = await _gateway.RespondAsync(more: $$""","previous_response_id":"{{second.Id()}}" """);
        Assert.Equal("previous_response_not_found", await GatewayUnderTest.ErrorCodeAsync(orphan, 400));
        Assert.Contains(first.Id(), await orphan.Content.ReadAsStringAsync(Token), StringComparison.Ordinal);
        using var gone = await _gateway.Client.DeleteAsync($"/v1/responses/{first.Id()}", Token);
        Assert.Equal("not_found", await GatewayUnderTest.ErrorCodeAsync(gone, 404));
    }

    [Fact]
    public async Task A_function_round_trip_is_the_same_by_id_by_replay_and_as_a_chat()
    {
        _gateway.Worker.FinishReason = "tool_calls";
        _gateway.Worker.Reply = ([], """{"role":"assistant","content":"Let me see.","tool_calls":[{"id":"call_a","type":"function","function":{"name":"weather","arguments":"{}"}}]}""");
        const string Output = """{"type":"function_call_output","call_id":"call_a","output":[{"type":"input_text","text":"sun"},{"type":"input_text","text":"ny"}]}""";
        var tools = $$""","tools":[{{ResponsesUnderTest.Weather}}]""";
        var first = await _gateway.CreateAsync("\"Hi\"", tools);
        Assert.Equal(["message", "function_call"], first.GetProperty("output").EnumerateArray().Select(item => item.GetProperty("type").GetString()));
        using var open = await _gateway.RespondAsync("\"And?\"", $$""","previous_response_id":"{{first.Id()}}" """);
        Assert.Equal("invalid_value", await GatewayUnderTest.ErrorCodeAsync(open, 400));
        _gateway.Worker.Requests.Clear();

        await _gateway.CreateAsync($"[{Output}]", $$"""{{tools}},"previous_response_id":"{{first.Id()}}" """);
        var replayed = first.GetProperty("output").GetRawText()[1..^1];
        var replay = await _gateway.CreateAsync($$"""[{"role":"user","content":"Hi"},{"type":"reasoning","id":"rs_1"},{{replayed}},{{Output}}]""", tools);
        var reference = first.GetProperty("output")[1].GetProperty("id").GetString();
        await _gateway.CreateAsync($$"""[{"role":"user","content":"Hi"},{"role":"assistant","content":"Let me see."},{"type":"item_reference","id":"{{reference}}"},{{Output}}]""", tools);
        using var chat = await _gateway.PostAsync("/v1/chat/completions", """
            {"model":"starter","messages":[{"role":"user","content":"Hi"},{"role":"assistant","content":"Let me see.","tool_calls":[{"id":"call_a","type":"function","function":{"name":"weather","arguments":"{}"}}]},
             {"role":"tool","tool_call_id":"call_a","content":"sunny"}],"tools":[{"type":"function","function":{"name":"weather","parameters":{"type":"object","properties":{"city":{"type":"string"}}}}}]}
            """);
        await GatewayUnderTest.ReadAsync(chat);
        var bodies = _gateway.Worker.Requests.Select(body => body.GetRawText()).Distinct().ToList();
        Assert.True(bodies.Count == 1, string.Join("\n", bodies));

        // A stored item keeps its id when it comes back.
        var items = await _gateway.GetAsync($"/v1/responses/{replay.Id()}/input_items?order=asc");
        Assert.Equal(reference, items.GetProperty("data")[2].GetProperty("id").GetString());
    }

    [Fact]
    public async Task Items_are_listed_with_those_inherited_page_by_page()
    {
        var first = await _gateway.CreateAsync("\"one\"", ""","instructions":"i" """);
        var second = await _gateway.CreateAsync("\"two\"", $$""","previous_response_id":"{{first.Id()}}" """);
        await _gateway.RestartAsync();

        var seen = new List<string>();
        for (string? after = null; ;)
        {
            var page = await _gateway.GetAsync($"/v1/responses/{second.Id()}/input_items?limit=2{(after is null ? "" : "&after=" + after)}");
            seen.AddRange(page.GetProperty("data").EnumerateArray().Select(item => $"{item.GetProperty("role").GetString()} {item.GetProperty("content")[0].GetProperty("text").GetString()}"));
            after = page.GetProperty("last_id").GetString();
            if (!page.GetProperty("has_more").GetBoolean())
            {
                break;
            }
        }

        Assert.Equal(["user two", "assistant Hello", "user one"], seen);
        using var before = await _gateway.Client.GetAsync($"/v1/responses/{second.Id()}/input_items?before=x", Token);
        Assert.Equal("unsupported_parameter", await GatewayUnderTest.ErrorCodeAsync(before, 400));
        using var stream = await _gateway.Client.GetAsync($"/v1/responses/{second.Id()}?stream=true", Token);
        Assert.Equal("unsupported_parameter", await GatewayUnderTest.ErrorCodeAsync(stream, 400));
        using var cancelled = await _gateway.PostAsync($"/v1/responses/{second.Id()}/cancel", "{}");
        Assert.Equal("invalid_value", await GatewayUnderTest.ErrorCodeAsync(cancelled, 400));
        Assert.Equal(second.Id(), (await _gateway.GetAsync($"/v1/responses/{second.Id()}?include[]=message.output_text.logprobs")).Id());
    }

    [Fact]
    public async Task What_is_not_to_be_kept_is_not_but_may_continue()
    {
        var kept = await _gateway.CreateAsync();
        var other = await _gateway.CreateAsync("\"And?\"", $$""","store":false,"previous_response_id":"{{kept.Id()}}" """);
        Assert.False(other.GetProperty("store").GetBoolean());
        using var missing = await _gateway.Client.GetAsync($"/v1/responses/{other.Id()}", Token);
        Assert.Equal(HttpStatusCode.NotFound, missing.StatusCode);
        using var next = await _gateway.RespondAsync(more: $$""","previous_response_id":"{{other.Id()}}" """);
        Assert.Equal("previous_response_not_found", await GatewayUnderTest.ErrorCodeAsync(next, 400));
        using var rated = await _gateway.PostAsync("/v1/feedback", $$"""{"response_id":"{{other.Id()}}","kind":"thumbs","value":true}""");
        Assert.True(rated.IsSuccessStatusCode);
    }

    [Fact]
    public async Task Another_owners_response_looks_like_none()
    {
        await using var keyed = await KeyedGateway.StartAsync();
        var (ann, bob) = (await keyed.ConsumerAsync("ann"), await keyed.ConsumerAsync("bob"));
        using var made = await keyed.SendAsync(HttpMethod.Post, "/v1/responses", ann, """{"model":"starter","input":"Hi"}""");
        var id = (await GatewayUnderTest.ReadAsync(made)).Id();

        using var read = await keyed.SendAsync(HttpMethod.Get, $"/v1/responses/{id}", bob);
        Assert.Equal("not_found", await GatewayUnderTest.ErrorCodeAsync(read, 404));
        using var removed = await keyed.SendAsync(HttpMethod.Delete, $"/v1/responses/{id}", bob);
        Assert.Equal("not_found", await GatewayUnderTest.ErrorCodeAsync(removed, 404));
        using var next = await keyed.SendAsync(HttpMethod.Post, "/v1/responses", bob, $$"""{"model":"starter","input":"Hi","previous_response_id":"{{id}}"}""");
        Assert.Equal("previous_response_not_found", await GatewayUnderTest.ErrorCodeAsync(next, 400));
        using var own = await keyed.SendAsync(HttpMethod.Get, $"/v1/responses/{id}", ann);
        await GatewayUnderTest.ReadAsync(own);
    }

    [Fact]
    public async Task A_conversation_is_bounded_and_ends_with_its_time()
    {
        await using var bounded = await GatewayUnderTest.StartAsync(with: options => options with { Responses = new ResponseOptions { MaximumAncestors = 2, MaximumChainBytes = 4000 } });
        var id = (await bounded.CreateAsync()).Id();
        using (var heavy = await bounded.RespondAsync($"\"{new string('x', 4000)}\"", $$""","previous_response_id":"{{id}}" """))
        {
            Assert.Equal("chain_too_long", await GatewayUnderTest.ErrorCodeAsync(heavy, 400));
        }

        for (var turn = 0; turn < 2; turn++)
        {
            id = (await bounded.CreateAsync(more: $$""","previous_response_id":"{{id}}" """)).Id();
        }

        using var next = await bounded.RespondAsync(more: $$""","previous_response_id":"{{id}}" """);
        Assert.Equal("chain_too_long", await GatewayUnderTest.ErrorCodeAsync(next, 400));

        await using var brief = await GatewayUnderTest.StartAsync(with: options => options with { Responses = new ResponseOptions { KeepFor = TimeSpan.FromDays(-2) } });
        id = (await brief.CreateAsync()).Id();
        using var over = await brief.Client.GetAsync($"/v1/responses/{id}", Token);
        Assert.Equal("not_found", await GatewayUnderTest.ErrorCodeAsync(over, 404));
        Assert.Equal(1, await brief.Service<StoredResponses>().ExpireAsync(Token));
    }

    [Fact]
    public async Task A_users_erasure_takes_the_whole_conversation_along()
    {
        var first = await _gateway.CreateAsync(more: ""","user":"ann" """);
        var second = await _gateway.CreateAsync(more: $$""","previous_response_id":"{{first.Id()}}" """);
        var other = await _gateway.CreateAsync();
        using var erased = await _gateway.Client.DeleteAsync("/v1/users/ann/interactions", Token);
        Assert.Equal(2, (await GatewayUnderTest.ReadAsync(erased)).GetProperty("interactions_erased").GetInt32());
        foreach (var (id, status) in ((string, HttpStatusCode)[])[(first.Id(), HttpStatusCode.NotFound), (second.Id(), HttpStatusCode.NotFound), (other.Id(), HttpStatusCode.OK)])
        {
            using var response = await _gateway.Client.GetAsync($"/v1/responses/{id}", Token);
            Assert.Equal(status, response.StatusCode);
        }
    }

    [Fact]
    public async Task What_one_gateway_keeps_another_one_continues()
    {
        using var redis = new RedisServer();
        await redis.StartAsync(Token);
        await using var first = await GatewayUnderTest.StartAsync(with: options => options with { Redis = redis.Address });
        await using var second = await GatewayUnderTest.StartAsync(with: options => options with { Redis = redis.Address, Data = first.DataFolder, Model = first.Model.Path });
        var events = await first.StreamAsync();
        var next = await second.CreateAsync("\"And?\"", $$""","previous_response_id":"{{events[^1].Data.GetProperty("response").Id()}}" """);
        Assert.Equal(["user Hi", "assistant Hello", "user And?"], Messages(second.Worker.Requests.Single()));
        Assert.True(JsonElement.DeepEquals(next, await first.GetAsync($"/v1/responses/{next.Id()}")));
        using var deleted = await first.Client.DeleteAsync($"/v1/responses/{next.Id()}", Token);
        Assert.Equal(HttpStatusCode.OK, deleted.StatusCode);
        using var gone = await second.Client.GetAsync($"/v1/responses/{next.Id()}", Token);
        Assert.Equal(HttpStatusCode.NotFound, gone.StatusCode);
    }

    private static IEnumerable<string> Messages(JsonElement sent) =>
        sent.GetProperty("messages").EnumerateArray().Select(message => $"{message.GetProperty("role").GetString()} {message.GetProperty("content").GetString()}");
}
