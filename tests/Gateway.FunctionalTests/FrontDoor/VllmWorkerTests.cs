using System.Text.Json;
using Gateway.FrontDoor;
using Xunit;

namespace Gateway.FunctionalTests.FrontDoor;

public sealed class VllmWorkerTests
{
    [Fact]
    public async Task Adapters_reach_vllm_by_its_own_calls_under_names_that_are_never_reused()
    {
        await using var vllm = await VllmStandIn.StartAsync();
        await using var gateway = await StartAsync(vllm);
        var (first, second) = (await gateway.ImportAdapterAsync(1), await gateway.ImportAdapterAsync(2));
        var before = await gateway.DeployAsync("tuned", null, first);

        using (var response = await gateway.ChatAsync("tuned"))
        {
            var reply = await GatewayUnderTest.ReadAsync(response);
            Assert.Equal("tuned", reply.GetProperty("model").GetString());
            Assert.Equal(first, reply.GetProperty("adapter_generation").GetString());
            Assert.Equal($"by tuned--{first[..12]}", reply.GetProperty("choices")[0].GetProperty("message").GetProperty("content").GetString());
        }

        // What a rollback returns to stays; what is further back goes.
        var after = await gateway.MoveAsync("tuned", before, second);
        var third = await gateway.ImportAdapterAsync(3);
        await gateway.MoveAsync("tuned", after, third);
        await GatewayUnderTest.EventuallyAsync(() => !vllm.Adapters.ContainsKey($"tuned--{first[..12]}"));
        Assert.Equal([$"tuned--{second[..12]}", $"tuned--{third[..12]}"], vllm.Adapters.Keys.Order().OrderBy(name => name.EndsWith(third[..12], StringComparison.Ordinal)));
        Assert.All(vllm.Calls, call => Assert.Contains("--", call, StringComparison.Ordinal));

        using var stream = await gateway.ChatAsync("tuned", ""","stream":true""");
        var events = await GatewayUnderTest.EventsAsync(stream);
        Assert.Equal("[DONE]", events[^1]);
        Assert.All(events.SkipLast(1), data => Assert.Equal(third, JsonDocument.Parse(data).RootElement.GetProperty("adapter_generation").GetString()));
        Assert.DoesNotContain(events, data => data.Contains("usage", StringComparison.Ordinal));
        Assert.Equal(2, (await gateway.InteractionsAsync())[0].GetProperty("usage").GetProperty("completion_tokens").GetInt32());
    }

    [Fact]
    public async Task A_vllm_that_restarts_empty_gets_its_adapters_before_it_takes_traffic()
    {
        var vllm = await VllmStandIn.StartAsync();
        await using var gateway = await StartAsync(vllm);
        var generation = await gateway.ImportAdapterAsync(1);
        await gateway.DeployAsync("tuned", null, generation);
        await vllm.DisposeAsync();
        var worker = gateway.Service<WorkerPool>().All.Single();
        await GatewayUnderTest.EventuallyAsync(() => !worker.Healthy);

        await using var restarted = await VllmStandIn.StartAsync(port: vllm.Address.Port);
        await GatewayUnderTest.EventuallyAsync(() => worker.Healthy);
        Assert.Equal([$"tuned--{generation[..12]}"], restarted.Adapters.Keys);
        using var response = await gateway.ChatAsync("tuned");
        Assert.Equal(generation, (await GatewayUnderTest.ReadAsync(response)).GetProperty("adapter_generation").GetString());
    }

    [Fact]
    public async Task A_gateway_that_restarts_takes_over_what_vllm_has_and_unloads_what_is_left_over()
    {
        await using var vllm = await VllmStandIn.StartAsync();
        await using var gateway = await StartAsync(vllm);
        var generation = await gateway.ImportAdapterAsync(1);
        await gateway.DeployAsync("tuned", null, generation);
        using (var left = await new HttpClient().PostAsync(
            new Uri(vllm.Address, "/v1/load_lora_adapter"),
            new StringContent(JsonSerializer.Serialize(new { lora_name = "old--0123456789ab", lora_path = Path.Combine(gateway.DataFolder, "adapters", generation) })),
            TestContext.Current.CancellationToken))
        {
            left.EnsureSuccessStatusCode();
        }

        vllm.Calls.Clear();
        await gateway.RestartAsync();
        Assert.Equal([$"tuned--{generation[..12]}"], vllm.Adapters.Keys);
        Assert.Equal(["unload old--0123456789ab"], vllm.Calls);
    }

    [Theory]
    [InlineData("off", "VLLM_ALLOW_RUNTIME_LORA_UPDATING")]
    [InlineData("rank", "max_lora_rank")]
    [InlineData("root", "adapter_root")]
    public async Task What_vllm_refuses_is_told_to_the_operator_and_moves_no_traffic(string trouble, string said)
    {
        await using var vllm = await VllmStandIn.StartAsync(runtimeUpdates: trouble != "off");
        vllm.MaximumRank = trouble == "rank" ? 2 : 16;
        await using var gateway = await StartAsync(vllm, trouble == "root" ? "/nowhere" : null);
        var release = await gateway.CreateReleaseAsync(null, await gateway.ImportAdapterAsync(1));
        using var response = await gateway.PostAsync("/v1/deployments", $$"""{"name":"tuned","release_id":"{{release}}"}""");

        Assert.Contains(said, await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken), StringComparison.Ordinal);
        Assert.Equal("upstream_error", await GatewayUnderTest.ErrorCodeAsync(response, 502));
        using var chat = await gateway.ChatAsync("tuned");
        Assert.Equal("model_not_found", await GatewayUnderTest.ErrorCodeAsync(chat, 404));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_contract_with_a_template_needs_a_vllm_that_trusts_templates(bool trusts)
    {
        await using var vllm = await VllmStandIn.StartAsync();
        vllm.TrustsTemplates = trusts;
        await using var gateway = await StartAsync(vllm);
        using (var created = await gateway.PostAsync("/v1/contracts", """{"name":"plain","content":{"chat_template":"{{ messages[0]['content'] }}"}}"""))
        {
            await GatewayUnderTest.ReadAsync(created);
        }

        await gateway.DeployAsync("plain", "plain@1", null);
        using var response = await gateway.ChatAsync("plain");
        if (trusts)
        {
            await GatewayUnderTest.ReadAsync(response);
            return;
        }

        Assert.Contains("--trust-request-chat-template", await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken), StringComparison.Ordinal);
        Assert.Equal("upstream_error", await GatewayUnderTest.ErrorCodeAsync(response, 502));
    }

    private static Task<GatewayUnderTest> StartAsync(VllmStandIn vllm, string? adapterRoot = null) =>
        GatewayUnderTest.StartAsync(workers: 0, with: options => options with
        {
            Workers = [vllm.Address],
            WorkerAdapters = adapterRoot,
            Routing = new RoutingOptions { Retry = new() { BackOff = TimeSpan.FromMilliseconds(1) } },
        });
}
