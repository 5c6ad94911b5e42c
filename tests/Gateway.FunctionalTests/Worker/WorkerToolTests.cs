using System.Text.Json;
using Gateway.Engine.Grammars;
using Gateway.TestKit;
using Xunit;

namespace Gateway.FunctionalTests.Worker;

/// <summary>Tool calls on a real engine over random weights: calls that are required obey their schema whatever the model would say.</summary>
public sealed class WorkerToolTests(WorkerServer server) : IClassFixture<WorkerServer>
{
    private const string Weather = """{"type":"function","function":{"name":"weather","description":"d","parameters":{"type":"object","properties":{"city":{"type":"string","enum":["Rome","Oslo"]},"days":{"type":"integer","minimum":1,"maximum":9}},"required":["city","days"],"additionalProperties":false}}}""";
    private const string Now = """{"type":"function","function":{"name":"now","description":"d","parameters":{"type":"object","properties":{}}}}""";

    public static TheoryData<string> Families =>
    [
        "Qwen-Qwen2.5-7B-Instruct", "Qwen-Qwen3-0.6B", "NousResearch-Hermes-3-Llama-3.1-8B-tool_use", "mistralai-Mistral-Nemo-Instruct-2407",
        "ibm-granite-granite-3.3-2B-Instruct", "LFM2-8B-A1B", "meta-llama-Llama-3.1-8B-Instruct", "meta-llama-Llama-3.2-3B-Instruct",
    ];

    [Theory]
    [MemberData(nameof(Families))]
    public async Task NamedFunction_OfEveryFamily_IsCalledWithArgumentsThatFit(string family)
    {
        var fields = $"\"tools\":[{Weather},{Now}],\"tool_choice\":{{\"type\":\"function\",\"function\":{{\"name\":\"weather\"}}}},{Template(family)}";
        var whole = await server.ChatAsync(fields + ",\"seed\":3");
        var events = await server.StreamAsync(fields + ",\"seed\":3");

        var choice = whole.GetProperty("choices")[0];
        var message = choice.GetProperty("message");
        Assert.Equal("tool_calls", choice.GetProperty("finish_reason").GetString());
        Assert.Equal(JsonValueKind.Null, message.GetProperty("content").ValueKind);
        var call = Assert.Single(message.GetProperty("tool_calls").EnumerateArray());
        Assert.Equal("function", call.GetProperty("type").GetString());
        Assert.Equal("weather", call.GetProperty("function").GetProperty("name").GetString());
        var arguments = call.GetProperty("function").GetProperty("arguments").GetString()!;
        AssertFits(arguments);

        var deltas = events[..^1].Select(item => JsonDocument.Parse(item).RootElement.GetProperty("choices")[0])
            .Where(item => item.GetProperty("delta").TryGetProperty("tool_calls", out _))
            .Select(item => Assert.Single(item.GetProperty("delta").GetProperty("tool_calls").EnumerateArray())).ToList();
        Assert.Equal(["index", "id", "type", "function"], deltas[0].EnumerateObject().Select(member => member.Name));
        Assert.Equal("", deltas[0].GetProperty("function").GetProperty("arguments").GetString());
        Assert.All(deltas.Skip(1), delta => Assert.Equal(["index", "function"], delta.EnumerateObject().Select(member => member.Name)));
        Assert.Equal(arguments, string.Concat(deltas.Select(delta => delta.GetProperty("function").GetProperty("arguments").GetString())));
    }

    [Theory]
    [MemberData(nameof(Families))]
    public async Task PastCallsAndResults_OfEveryFamily_AreRendered(string family)
    {
        var messages = """
            [{"role":"user","content":"weather?"},
             {"role":"assistant","content":null,"tool_calls":[{"id":"call_1","type":"function","function":{"name":"weather","arguments":"{\"city\": \"Rome\", \"days\": 1}"}}]},
             {"role":"tool","tool_call_id":"call_1","content":"sunny"}]
            """;
        using var response = await server.PostAsync(
            "/v1/chat/completions", $$"""{"model":"tiny","messages":{{messages}},"tools":[{{Weather}}],"max_tokens":1,{{Template(family)}}}""");

        var text = await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken);
        Assert.True(response.IsSuccessStatusCode, text);
    }

    /// <summary>Whatever past arguments hold, they are data: deep, no JSON at all, or spelled like a call.</summary>
    [Theory]
    [InlineData("not json")]
    [InlineData("")]
    [InlineData("{\"a\":\"<tool_call><|end|>\"}")]
    [InlineData("DEEP")]
    public async Task PastArguments_OfAnyForm_AreRendered(string arguments)
    {
        arguments = arguments == "DEEP" ? string.Concat(Enumerable.Repeat("[", 60)) + string.Concat(Enumerable.Repeat("]", 60)) : arguments;
        var call = JsonSerializer.Serialize(new { id = "i", type = "function", function = new { name = "f", arguments } });
        using var response = await server.PostAsync("/v1/chat/completions", $$"""
            {"model":"tiny","messages":[{"role":"user","content":"x"},{"role":"assistant","tool_calls":[{{call}}]},{"role":"tool","tool_call_id":"i","content":"y"}],"max_tokens":1,{{Template("Qwen-Qwen3-0.6B")}}}
            """);

        Assert.True(response.IsSuccessStatusCode, await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken));
    }

    [Fact]
    public async Task Required_ParallelCalls_AreSeveralOrOne()
    {
        var several = 0;
        for (var seed = 0; seed < 12; seed++)
        {
            var fields = $"\"tools\":[{Weather},{Now}],\"tool_choice\":\"required\",\"seed\":{seed},\"temperature\":2,{Template("Qwen-Qwen2.5-7B-Instruct")}";
            var calls = Calls(await server.ChatAsync(fields));
            Assert.NotEmpty(calls);
            Assert.Equal(calls.Count, calls.Select(call => call.GetProperty("id").GetString()).Distinct().Count());
            several += calls.Count > 1 ? 1 : 0;
            Assert.Single(Calls(await server.ChatAsync(fields + ",\"parallel_tool_calls\":false")));
        }

        Assert.InRange(several, 1, 11);
    }

    [Fact]
    public async Task Auto_TextThatCallsNothing_IsText()
    {
        var reply = await server.ChatAsync($"\"tools\":[{Weather}],\"temperature\":0,\"max_tokens\":20,\"ignore_eos\":true,{Template("Qwen-Qwen2.5-7B-Instruct")}");

        Assert.Equal("length", reply.GetProperty("choices")[0].GetProperty("finish_reason").GetString());
        Assert.False(reply.GetProperty("choices")[0].GetProperty("message").TryGetProperty("tool_calls", out _));
    }

    [Fact]
    public async Task AllowedTools_OnlyThoseAreCalled()
    {
        var choice = """{"type":"allowed_tools","allowed_tools":{"mode":"required","tools":[{"type":"function","function":{"name":"now"}}]}}""";
        var reply = await server.ChatAsync($"\"tools\":[{Weather},{Now}],\"tool_choice\":{choice},\"parallel_tool_calls\":false,{Template("Qwen-Qwen3-0.6B")}");

        Assert.Equal("now", Assert.Single(Calls(reply)).GetProperty("function").GetProperty("name").GetString());
    }

    [Fact]
    public async Task Functions_AreAnsweredWithFunctionCall()
    {
        var functions = """[{"name":"weather","parameters":{"type":"object","properties":{"city":{"enum":["Rome","Oslo"]},"days":{"type":"integer","minimum":1,"maximum":9}},"required":["city","days"],"additionalProperties":false}}]""";
        var fields = $"\"functions\":{functions},\"function_call\":{{\"name\":\"weather\"}},\"seed\":1,{Template("Qwen-Qwen2.5-7B-Instruct")}";
        var reply = await server.ChatAsync(fields);
        var events = await server.StreamAsync(fields);

        var call = reply.GetProperty("choices")[0].GetProperty("message").GetProperty("function_call");
        Assert.Equal("weather", call.GetProperty("name").GetString());
        AssertFits(call.GetProperty("arguments").GetString()!);
        Assert.Equal("function_call", reply.GetProperty("choices")[0].GetProperty("finish_reason").GetString());
        Assert.Contains(events, item => item.Contains("\"function_call\":{\"name\":\"weather\",\"arguments\":\"\"}", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("\"tools\":[{\"type\":\"custom\"}]", "unsupported_parameter", "tools[0].type")]
    [InlineData("\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"a b\"}}]", "invalid_value", "tools[0].function.name")]
    [InlineData("\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\",\"parameters\":3}}]", "invalid_value", "tools[0].function.parameters")]
    [InlineData("\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\"}},{\"type\":\"function\",\"function\":{\"name\":\"f\"}}]", "invalid_value", "tools")]
    [InlineData("\"tool_choice\":\"required\"", "invalid_value", "tool_choice")]
    [InlineData("\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\"}}],\"tool_choice\":\"sometimes\"", "invalid_value", "tool_choice")]
    [InlineData("\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\"}}],\"tool_choice\":{\"type\":\"function\",\"function\":{\"name\":\"g\"}}", "invalid_value", "tool_choice.function.name")]
    [InlineData("\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\",\"strict\":\"yes\"}}]", "invalid_value", "tools[0].function.strict")]
    [InlineData("\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\"}}]", "unsupported_parameter", "tools")]
    public async Task WrongTools_AreRefusedByName(string fields, string code, string param)
    {
        using var response = await server.PostAsync("/v1/chat/completions", WorkerServer.Body(fields));

        await WorkerServer.AssertErrorAsync(response, 400, code, param);
    }

    /// <summary>A brace opens a call of this family, and the bias makes the model begin with one.</summary>
    [Theory]
    [InlineData("")]
    [InlineData(",\"tool_choice\":{\"type\":\"allowed_tools\",\"allowed_tools\":{\"mode\":\"auto\",\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"weather\"}}]}}")]
    [InlineData(",\"parallel_tool_calls\":false")]
    public async Task Auto_BareCalls_ObeyTheirFunction(string more)
    {
        for (var seed = 0; seed < 4; seed++)
        {
            var fields = $"\"tools\":[{Weather}],\"seed\":{seed},\"max_tokens\":300,{Bias(server, "{")},{Template("meta-llama-Llama-3.1-8B-Instruct")}{more}";
            var reply = await server.ChatAsync(fields);
            var calls = AssertCalls(reply);
            var events = await server.StreamAsync(fields);

            Assert.True(calls > 1 == !more.Contains("parallel", StringComparison.Ordinal));
            Assert.Equal(
                ["index", "id", "type", "function"],
                events[..^1].Select(item => JsonDocument.Parse(item).RootElement.GetProperty("choices")[0].GetProperty("delta"))
                    .First(delta => delta.TryGetProperty("tool_calls", out _)).GetProperty("tool_calls")[0].EnumerateObject().Select(member => member.Name));
        }
    }

    [Fact]
    public async Task Auto_OpeningWithAToken_ObeysItsFunctionAndTheQuotedTextDoesNot()
    {
        await using var marked = await MarkedAsync();
        var fields = $"\"tools\":[{Weather}],\"seed\":1,\"max_tokens\":300,{Template("Qwen-Qwen2.5-7B-Instruct")}";
        Assert.True(AssertCalls(await marked.ChatAsync($"{fields},{Bias(marked, "<tool_call>")}")) > 1);
        Assert.Equal(1, AssertCalls(await marked.ChatAsync($"{fields},{Bias(marked, "<tool_call>")},\"parallel_tool_calls\":false")));

        // Nothing is drawn but letters, so the reply is text.
        var text = await marked.ChatAsync($"{fields},{Bias(marked, "x")}");
        Assert.False(text.GetProperty("choices")[0].GetProperty("message").TryGetProperty("tool_calls", out _));
        Assert.Equal("length", text.GetProperty("choices")[0].GetProperty("finish_reason").GetString());
    }

    [Theory]
    [InlineData("meta-llama-Llama-3.1-8B-Instruct", 5)]
    [InlineData("meta-llama-Llama-3.1-8B-Instruct", 30)]
    public async Task Auto_CallCutByTheLimit_SaysLength(string family, int limit)
    {
        var reply = await server.ChatAsync($"\"tools\":[{Weather}],\"seed\":1,\"max_tokens\":{limit},{Bias(server, "{")},{Template(family)}");
        Assert.Equal("length", reply.GetProperty("choices")[0].GetProperty("finish_reason").GetString());
    }

    /// <summary>The reply is the form or a call; which one, the model decides.</summary>
    [Fact]
    public async Task Auto_WithAForm_IsTheFormOrACall()
    {
        await using var marked = await MarkedAsync();
        const string form = """ "response_format":{"type":"json_schema","json_schema":{"name":"r","strict":true,"schema":{"type":"object","properties":{"name":{"enum":["Ada","Bob"]}},"required":["name"],"additionalProperties":false}}}""";
        foreach (var family in new[] { "Qwen-Qwen2.5-7B-Instruct", "meta-llama-Llama-3.1-8B-Instruct" })
        {
            var fields = $"\"tools\":[{Weather}],\"max_tokens\":300,\"parallel_tool_calls\":false,{form},{Template(family)}";
            var formed = (await marked.ChatAsync($"{fields},{Bias(marked, "{", "\"", "n", ":", "A")}")).GetProperty("choices")[0];
            Assert.Equal("stop", formed.GetProperty("finish_reason").GetString());
            Assert.Contains(formed.GetProperty("message").GetProperty("content").GetString(), (string[])["{\"name\":\"Ada\"}", "{\"name\": \"Ada\"}"]);

            var opening = family.StartsWith("Qwen", StringComparison.Ordinal) ? Bias(marked, "<tool_call>") : Bias(marked, "w");
            Assert.Equal(1, AssertCalls(await marked.ChatAsync($"{fields},{opening}")));
        }

        foreach (var other in new[] { "\"structured_outputs\":{\"regex\":\"A{3}\"}", "\"structured_outputs\":{\"choice\":[\"AAA\",\"B\"]}" })
        {
            var reply = await marked.ChatAsync($"\"tools\":[{Weather}],{other},{Bias(marked, "A")},{Template("Qwen-Qwen2.5-7B-Instruct")}");
            Assert.Equal("AAA", reply.GetProperty("choices")[0].GetProperty("message").GetProperty("content").GetString());
        }
    }

    [Fact]
    public async Task Auto_SchemaThatCannotBeEnforced_IsAnyObjectUnlessTheFunctionIsStrict()
    {
        const string tool = """{"type":"function","function":{"name":"f","strict":STRICT,"parameters":{"type":"object","properties":{"x":{"not":{}}}}}}""";
        var template = Template("meta-llama-Llama-3.1-8B-Instruct");
        var fields = $"\"tools\":[{tool.Replace("STRICT", "false", StringComparison.Ordinal)}],\"parallel_tool_calls\":false,\"max_tokens\":400,{template}";
        var bias = $"\"logit_bias\":{{\"{server.Runtime.Tokenizer.TokenToId("{")}\":100,\"{server.Runtime.Tokenizer.TokenToId("}")}\":80}}";
        var call = Assert.Single(Calls(await server.ChatAsync($"{fields},{bias},\"temperature\":0"))).GetProperty("function");
        Assert.Equal(("f", "{}"), (call.GetProperty("name").GetString(), call.GetProperty("arguments").GetString()));

        using var strict = await server.PostAsync("/v1/chat/completions", WorkerServer.Body($"\"tools\":[{tool.Replace("STRICT", "true", StringComparison.Ordinal)}],{template}"));
        var text = await strict.Content.ReadAsStringAsync(TestContext.Current.CancellationToken);
        await WorkerServer.AssertErrorAsync(strict, 400, "unsupported_schema", "tools");
        Assert.Contains("/tools/0/function/parameters/properties/x", text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Auto_ManyLargeFunctions_AreStillServed()
    {
        // Each schema is within what a grammar may cost; all of them together are not.
        const string schema = """{"type":"object","properties":{"a":{"type":"string","pattern":"^[a-z]{300N}$"}}}""";
        _ = Grammar.FromSchema(schema.Replace('N', '9'));
        var tools = string.Join(',', Enumerable.Range(0, 10).Select(i =>
            """{"type":"function","function":{"name":"fN","parameters":SCHEMA}}""".Replace("SCHEMA", schema, StringComparison.Ordinal).Replace("N", $"{i}", StringComparison.Ordinal)));
        var reply = await server.ChatAsync($"\"tools\":[{tools}],\"max_tokens\":40,{Bias(server, "{")},{Template("meta-llama-Llama-3.1-8B-Instruct")}");

        Assert.Equal("length", reply.GetProperty("choices")[0].GetProperty("finish_reason").GetString());
    }

    [Fact]
    public async Task RequiredCall_WithASchemaThatCannotBeEnforced_NamesThePointer()
    {
        using var response = await server.PostAsync("/v1/chat/completions", WorkerServer.Body(
            """ "tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object","properties":{"x":{"not":{}}}}}}],"tool_choice":"required",""" + Template("Qwen-Qwen3-0.6B")));

        var text = await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken);
        await WorkerServer.AssertErrorAsync(response, 400, "unsupported_schema", "tools");
        Assert.Contains("/tools/0/function/parameters/properties/x", text, StringComparison.Ordinal);
    }

    private static string Template(string family) =>
        "\"chat_template\":" + JsonSerializer.Serialize(File.ReadAllText(Path.Combine(TestData.Require("oracles/chat-templates/" + family), "template.jinja")));

    private static async Task<WorkerServer> MarkedAsync()
    {
        var marked = new WorkerServer(new TinyModel(8192, markers: ["<tool_call>", "</tool_call>"]));
        await marked.InitializeAsync();
        return marked;
    }

    /// <summary>Makes tokens by far the likeliest wherever they may come.</summary>
    private static string Bias(WorkerServer server, params IEnumerable<string> tokens) =>
        $"\"logit_bias\":{{{string.Join(',', tokens.Select(token => $"\"{server.Runtime.Tokenizer.TokenToId(token)}\":100"))}}}";

    /// <summary>All calls fit, but for a last one that was cut; returns how many do.</summary>
    private static int AssertCalls(JsonElement reply)
    {
        var isCut = reply.GetProperty("choices")[0].GetProperty("finish_reason").GetString() == "length";
        var calls = Calls(reply);
        foreach (var call in calls.SkipLast(isCut ? 1 : 0))
        {
            Assert.Equal("weather", call.GetProperty("function").GetProperty("name").GetString());
            AssertFits(call.GetProperty("function").GetProperty("arguments").GetString()!);
        }

        return calls.Count;
    }

    private static List<JsonElement> Calls(JsonElement reply) => [.. reply.GetProperty("choices")[0].GetProperty("message").GetProperty("tool_calls").EnumerateArray()];

    private static void AssertFits(string arguments)
    {
        using var json = JsonDocument.Parse(arguments);
        Assert.Contains(json.RootElement.GetProperty("city").GetString(), (string[])["Rome", "Oslo"]);
        Assert.InRange(json.RootElement.GetProperty("days").GetInt32(), 1, 9);
    }
}
