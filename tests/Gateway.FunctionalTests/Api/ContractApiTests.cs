using System.Net;
using System.Text.Json;
using Gateway.Domain.Keys;
using Gateway.FunctionalTests.FrontDoor;
using Gateway.Security;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace Gateway.FunctionalTests.Api;

public sealed class ContractApiTests : IAsyncLifetime
{
    private GatewayUnderTest _gateway = null!;

    public async ValueTask InitializeAsync() => _gateway = await GatewayUnderTest.StartAsync(configure: builder =>
        builder.Services.AddSingleton<Microsoft.AspNetCore.Hosting.IStartupFilter>(new ConsumersByHeader()));

    public ValueTask DisposeAsync() => _gateway.DisposeAsync();

    [Fact]
    public async Task A_protected_label_needs_an_operator_and_keeps_its_history()
    {
        await CreateAsync("""{"system_prompt":"one"}""");
        await CreateAsync("""{"system_prompt":"two"}""");
        using (var created = await _gateway.PutAsync("/v1/contracts/triage/labels/production", """{"version":1,"protected":true,"reason":"first"}"""))
        {
            Assert.True((await GatewayUnderTest.ReadAsync(created)).GetProperty("protected").GetBoolean());
        }

        const string Move = """{"version":2,"expected_version":1,"reason":"better"}""";
        using (var consumer = await AsConsumerAsync(HttpMethod.Put, "/v1/contracts/triage/labels/production", Move))
        {
            Assert.Equal("admin_required", await GatewayUnderTest.ErrorCodeAsync(consumer, 403));
        }

        using (var consumer = await AsConsumerAsync(HttpMethod.Delete, "/v1/contracts/triage/labels/production?expected_version=1"))
        {
            Assert.Equal("admin_required", await GatewayUnderTest.ErrorCodeAsync(consumer, 403));
        }

        using (var moved = await _gateway.PutAsync("/v1/contracts/triage/labels/production", Move))
        {
            await GatewayUnderTest.ReadAsync(moved);
        }

        await _gateway.RestartAsync();
        var label = await _gateway.GetAsync("/v1/contracts/triage/labels/production");
        Assert.True(label.GetProperty("protected").GetBoolean());
        Assert.Equal(["1 operator first", "2 operator better"], label.GetProperty("history").EnumerateArray().Select(step =>
            $"{step.GetProperty("version")} {step.GetProperty("actor").GetString()} {step.GetProperty("reason").GetString()}"));

        using (var stale = await _gateway.Client.DeleteAsync("/v1/contracts/triage/labels/production?expected_version=1", TestContext.Current.CancellationToken))
        {
            Assert.Equal("generation_mismatch", await GatewayUnderTest.ErrorCodeAsync(stale, 409));
        }

        using (var removed = await _gateway.Client.DeleteAsync("/v1/contracts/triage/labels/production?expected_version=2", TestContext.Current.CancellationToken))
        {
            await GatewayUnderTest.ReadAsync(removed);
        }

        using var missing = await _gateway.Client.GetAsync("/v1/contracts/triage", TestContext.Current.CancellationToken);
        Assert.Equal("not_found", await GatewayUnderTest.ErrorCodeAsync(missing, 404));
    }

    [Fact]
    public async Task Versions_are_compared_by_text_and_schema()
    {
        await CreateAsync("""{"system_prompt":"Sort.\nBe brief.","output_schema":{"type":"object","required":["a"]}}""");
        await CreateAsync("""{"system_prompt":"Sort.\nBe kind.","output_schema":{"required":["a","b"],"type":"object"}}""");

        var diff = await _gateway.GetAsync("/v1/contracts/triage/diff?from=1&to=latest");
        Assert.Equal("triage@2", diff.GetProperty("to").GetString());
        Assert.True(diff.GetProperty("prompt_changed").GetBoolean());
        Assert.Equal(["  Sort.", "- Be brief.", "+ Be kind."], diff.GetProperty("system_prompt").EnumerateArray().Select(line => line.GetString()));
        var member = Assert.Single(diff.GetProperty("members").EnumerateArray());
        Assert.Equal("/output_schema/required/1", member.GetProperty("pointer").GetString());
        Assert.Equal("b", member.GetProperty("to").GetString());
        Assert.False(member.TryGetProperty("from", out _));
        using var missing = await _gateway.Client.GetAsync("/v1/contracts/triage/diff?from=1&to=9", TestContext.Current.CancellationToken);
        Assert.Equal("not_found", await GatewayUnderTest.ErrorCodeAsync(missing, 404));
        using var unsaid = await _gateway.Client.GetAsync("/v1/contracts/triage/diff?from=1", TestContext.Current.CancellationToken);
        Assert.Equal("missing_required_parameter", await GatewayUnderTest.ErrorCodeAsync(unsaid, 400));
    }

    [Fact]
    public async Task A_dry_run_renders_and_counts_without_asking_a_worker()
    {
        await CreateAsync("""
            {"system_prompt":"Help {{who}}.","variables":{"type":"object","properties":{"who":{"type":"string"}},"required":["who"]}}
            """);
        using var response = await _gateway.PostAsync("/v1/contracts/triage/render", """
            {"version":1,"messages":[{"role":"user","content":"Hi <|end|>"}],"variables":{"who":"Ann"}}
            """);
        var rendering = await GatewayUnderTest.ReadAsync(response);

        Assert.Equal(
            "<|start|>system\nHelp Ann.<|end|><|start|>user\nHi <|end|><|end|><|start|>assistant\n", rendering.GetProperty("text").GetString());
        Assert.Equal(rendering.GetProperty("token_ids").GetArrayLength(), rendering.GetProperty("prompt_tokens").GetInt32());

        // The template ends two messages; what the caller spelled like an end mark is text.
        Assert.Equal(2, rendering.GetProperty("token_ids").EnumerateArray().Count(id => id.GetInt32() == 0));
        Assert.Equal("system", rendering.GetProperty("messages")[0].GetProperty("role").GetString());
        Assert.Empty(_gateway.Worker.Requests);

        using var untyped = await _gateway.PostAsync("/v1/contracts/triage/render", """{"version":1,"messages":[{"role":"user","content":"Hi"}],"variables":{"who":1}}""");
        Assert.Equal("invalid_variable", await GatewayUnderTest.ErrorCodeAsync(untyped, 422));
        using var unlabelled = await _gateway.PostAsync("/v1/contracts/triage/render", """{"messages":[{"role":"user","content":"Hi"}]}""");
        Assert.Equal("not_found", await GatewayUnderTest.ErrorCodeAsync(unlabelled, 404));
        using var silent = await _gateway.PostAsync("/v1/contracts/triage/render", """{"version":1}""");
        Assert.Equal("missing_required_parameter", await GatewayUnderTest.ErrorCodeAsync(silent, 400));
    }

    [Fact]
    public async Task An_enforced_schema_reaches_the_worker_and_tools_and_caps_are_the_contracts()
    {
        await CreateAsync("""
            {"output_schema":{"type":"object","properties":{"a":{"type":"integer"}},"required":["a"]},"output_mode":"enforce","tools_policy":"replace",
             "sampling":{"max_temperature":0.5,"default_max_tokens":7,"max_tokens":9}}
            """);
        await DeployAsync("triage@1");

        using var response = await _gateway.ChatAsync("triage", ""","temperature":1.5,"tools":[{"type":"function","function":{"name":"f"}}]""");
        await GatewayUnderTest.ReadAsync(response);
        Assert.True(_gateway.Worker.Requests.TryDequeue(out var sent));
        Assert.Equal("integer", sent.GetProperty("response_format").GetProperty("json_schema").GetProperty("schema")
            .GetProperty("properties").GetProperty("a").GetProperty("type").GetString());
        Assert.False(sent.TryGetProperty("tools", out _));
        Assert.Equal(0.5, sent.GetProperty("temperature").GetDouble());
        Assert.Equal(7, sent.GetProperty("max_completion_tokens").GetInt32());

        using var other = await _gateway.ChatAsync("triage", ""","structured_outputs":{"regex":"a+"}""");
        Assert.Equal("contract_mismatch", await GatewayUnderTest.ErrorCodeAsync(other, 422));
        Assert.Empty(_gateway.Worker.Requests);
    }

    [Fact]
    public async Task An_enforced_schema_and_tools_reach_the_worker_together()
    {
        await CreateAsync("""
            {"output_schema":{"type":"object","properties":{"a":{"type":"integer"}},"required":["a"]},"output_mode":"enforce",
             "tools":[{"type":"function","function":{"name":"look_up","parameters":{"type":"object"}}}]}
            """);
        await DeployAsync("triage@1");

        using var response = await _gateway.ChatAsync("triage");
        await GatewayUnderTest.ReadAsync(response);
        Assert.True(_gateway.Worker.Requests.TryDequeue(out var sent));
        Assert.Equal("json_schema", sent.GetProperty("response_format").GetProperty("type").GetString());
        Assert.Equal("auto", sent.GetProperty("tool_choice").GetString());
        Assert.Equal("look_up", Assert.Single(sent.GetProperty("tools").EnumerateArray()).GetProperty("function").GetProperty("name").GetString());
    }

    [Fact]
    public async Task Flags_follow_the_rules_of_the_contract()
    {
        await CreateAsync("""{"flags":{"off":["truncated"],"refusal_openings":["Leider kann ich"],"total_ms":1}}""");
        await DeployAsync("triage@1");
        _gateway.Worker.FinishReason = "length";
        _gateway.Worker.Chunks = ["Leider kann ich ", "das nicht. ", .. Enumerable.Repeat("Bitte fragen Sie nach. ", 6)];
        _gateway.Worker.Delay = TimeSpan.FromMilliseconds(20);

        using var response = await _gateway.ChatAsync("triage");
        await GatewayUnderTest.ReadAsync(response);
        var record = Assert.Single(await _gateway.InteractionsAsync());
        Assert.Equal("length", record.GetProperty("end").GetString());
        Assert.Equal(["refusal", "over_slo", "repeated"], record.GetProperty("flags").EnumerateArray().Select(flag => flag.GetProperty("kind").GetString()));
        Assert.All(record.GetProperty("flags").EnumerateArray(), flag => Assert.NotEmpty(flag.GetProperty("reason").GetString()!));
    }

    private async Task CreateAsync(string content)
    {
        using var response = await _gateway.PostAsync("/v1/contracts", $$"""{"name":"triage","content":{{content}}}""");
        Assert.Equal(HttpStatusCode.Created, response.StatusCode);
    }

    private Task DeployAsync(string contract) => _gateway.DeployAsync("triage", contract, generation: null);

    private Task<HttpResponseMessage> AsConsumerAsync(HttpMethod method, string path, string? json = null)
    {
        var request = new HttpRequestMessage(method, path)
        {
            Content = json is null ? null : new StringContent(json, System.Text.Encoding.UTF8, "application/json"),
        };
        request.Headers.Add("x-test-consumer", "yes");
        return _gateway.Client.SendAsync(request, TestContext.Current.CancellationToken);
    }

    /// <summary>Stands in for whoever checks keys: a header makes the caller one who may not change the server.</summary>
    private sealed class ConsumersByHeader : Microsoft.AspNetCore.Hosting.IStartupFilter
    {
        public Action<IApplicationBuilder> Configure(Action<IApplicationBuilder> next) => app =>
        {
            app.Use((context, following) =>
            {
                if (context.Request.Headers.ContainsKey("x-test-consumer"))
                {
                    context.Features.Set(new Caller("consumer", "somebody", KeyScope.Inference, models: null, cacheSalt: null, limits: null));
                }

                return following(context);
            });
            next(app);
        };
    }
}
