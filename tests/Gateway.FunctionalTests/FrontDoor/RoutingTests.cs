using System.Text.Json;
using Gateway.Domain.Routing;
using Gateway.FrontDoor;
using Xunit;

namespace Gateway.FunctionalTests.FrontDoor;

public sealed class RoutingTests
{
    private static readonly RoutingOptions Quick = new() { Retry = new RetryPolicy { BackOff = TimeSpan.FromMilliseconds(1) } };

    [Fact]
    public async Task A_conversation_stays_on_its_worker_and_conversations_spread()
    {
        await using var gateway = await StartAsync(workers: 3);
        for (var conversation = 0; conversation < 12; conversation++)
        {
            for (var turn = 0; turn < 3; turn++)
            {
                using var response = await gateway.PostAsync("/v1/chat/completions", JsonSerializer.Serialize(new
                {
                    model = "starter",
                    messages = Enumerable.Range(0, (2 * turn) + 1).Select(i => new { role = i % 2 == 0 ? "user" : "assistant", content = $"{conversation} {i}" }),
                }));
                await GatewayUnderTest.ReadAsync(response);
            }
        }

        Assert.All(gateway.Workers, worker => Assert.NotEmpty(worker.Requests));
        var records = await gateway.InteractionsAsync();
        Assert.All(
            records.GroupBy(record => record.GetProperty("messages")[0].GetProperty("content").GetString()),
            conversation => Assert.Single(conversation.Select(record => record.GetProperty("worker").GetString()).Distinct()));
    }

    [Theory]
    [InlineData(500)]
    [InlineData(429)]
    [InlineData(503)]
    public async Task A_failing_worker_is_replaced_at_once_and_alone_it_is_asked_thrice(int status)
    {
        await using var gateway = await StartAsync(workers: 2);
        gateway.Workers[0].Status = status;
        for (var i = 0; i < 4; i++)
        {
            using var response = await gateway.PostAsync("/v1/chat/completions", $$"""{"model":"starter","messages":[{"role":"user","content":"{{i}}"}]}""");
            await GatewayUnderTest.ReadAsync(response);
        }

        await DrainAsync(gateway, gateway.Workers[1]);
        gateway.Workers[0].Requests.Clear();
        gateway.Service<WorkerPool>().All[0].Succeeded();
        using var alone = await gateway.ChatAsync();
        Assert.True((int)alone.StatusCode >= 500);
        Assert.Equal(3, gateway.Workers[0].Requests.Count);
        Assert.Equal(5, (await gateway.InteractionsAsync()).Count);
    }

    [Fact]
    public async Task What_is_wrong_with_the_request_is_not_tried_again()
    {
        await using var gateway = await StartAsync(workers: 2);
        gateway.Workers[0].Status = gateway.Workers[1].Status = 400;
        using var response = await gateway.ChatAsync();
        Assert.Equal(400, (int)response.StatusCode);
        Assert.Equal(1, gateway.Workers.Sum(worker => worker.Requests.Count));
    }

    [Fact]
    public async Task The_breaker_opens_after_three_failures_and_says_so()
    {
        await using var gateway = await StartAsync(workers: 1);
        gateway.Worker.Status = 500;
        using (await gateway.ChatAsync())
        {
            // Three attempts.
        }

        using var refused = await gateway.ChatAsync();
        Assert.Equal("no_healthy_worker", await GatewayUnderTest.ErrorCodeAsync(refused, 503));
        Assert.Equal(3, gateway.Worker.Requests.Count);
        Assert.Equal("open", (await gateway.GetAsync("/health/workers")).GetProperty("data")[0].GetProperty("breaker").GetString());
    }

    [Fact]
    public async Task Workers_come_and_go_while_the_gateway_runs_and_the_store_remembers()
    {
        await using var gateway = await StartAsync(workers: 1);
        await using var other = await FakeWorker.StartAsync();
        var generation = await gateway.ImportAdapterAsync(1);
        await gateway.DeployAsync("tuned", null, generation);

        using (var added = await gateway.PostAsync("/v1/workers", $$"""{"url":"{{other.Address}}","name":"second","reason":"more load"}"""))
        {
            var worker = await GatewayUnderTest.ReadAsync(added);
            Assert.Equal(("up", "store", "vllm"), (worker.GetProperty("state").GetString(), worker.GetProperty("source").GetString(), worker.GetProperty("dialect").GetString()));
            Assert.Equal($"tuned--{generation[..12]}", Assert.Single(worker.GetProperty("adapters").EnumerateArray()).GetString());
        }

        using (var twice = await gateway.PostAsync("/v1/workers", $$"""{"url":"{{other.Address}}"}"""))
        {
            Assert.Equal("worker_exists", await GatewayUnderTest.ErrorCodeAsync(twice, 409));
        }

        await DrainAsync(gateway, gateway.Worker);
        await gateway.RestartAsync();
        Assert.Equal(["draining", "up"], (await gateway.GetAsync("/v1/workers")).GetProperty("data").EnumerateArray().Select(worker => worker.GetProperty("state").GetString()));
        using (var chat = await gateway.ChatAsync("tuned"))
        {
            await GatewayUnderTest.ReadAsync(chat);
        }

        Assert.Single(other.Requests);
        Assert.Empty(gateway.Worker.Requests);

        using (var configured = await gateway.Client.DeleteAsync($"/v1/workers/{gateway.Worker.Address.Authority}", TestContext.Current.CancellationToken))
        {
            Assert.Equal("worker_configured", await GatewayUnderTest.ErrorCodeAsync(configured, 409));
        }

        using (var resumed = await gateway.PostAsync($"/v1/workers/{gateway.Worker.Address.Authority}/resume", ""))
        {
            Assert.Equal("up", (await GatewayUnderTest.ReadAsync(resumed)).GetProperty("state").GetString());
        }

        using (var removed = await gateway.Client.DeleteAsync("/v1/workers/second", TestContext.Current.CancellationToken))
        {
            Assert.True((await GatewayUnderTest.ReadAsync(removed)).GetProperty("deleted").GetBoolean());
        }

        using var unknown = await gateway.PostAsync("/v1/workers/second/drain", "");
        Assert.Equal("not_found", await GatewayUnderTest.ErrorCodeAsync(unknown, 404));
        var audit = (await gateway.GetAsync("/v1/audit")).GetProperty("data").EnumerateArray().Select(entry => entry.GetProperty("action").GetString());
        Assert.Equal(["worker.remove", "worker.resume", "worker.drain", "worker.add"], audit.Take(4));
    }

    [Theory]
    [InlineData("""{}""", "missing_required_parameter")]
    [InlineData("""{"url":"ftp://host"}""", "invalid_value")]
    [InlineData("""{"url":"http://user:secret@host:1"}""", "invalid_value")]
    [InlineData("""{"url":"http://host:1/path"}""", "invalid_value")]
    [InlineData("""{"url":"http://host:1","name":"a/b"}""", "invalid_value")]
    [InlineData("""{"url":"http://host:1","token":"x"}""", "unknown_parameter")]
    public async Task A_worker_that_cannot_be_one_is_refused(string body, string code)
    {
        await using var gateway = await StartAsync(workers: 1);
        using var response = await gateway.PostAsync("/v1/workers", body);
        Assert.Equal(code, await GatewayUnderTest.ErrorCodeAsync(response, 400));
    }

    [Fact]
    public async Task A_stopping_gateway_is_not_ready_takes_requests_for_a_while_and_lets_replies_end()
    {
        await using var gateway = await StartAsync(workers: 1, Quick with { DrainDelay = TimeSpan.FromMilliseconds(1500) });
        gateway.Worker.Ending = "wait";
        using var response = await gateway.ChatAsync(more: ""","stream":true""");
        var seen = await GatewayUnderTest.ReadUntilAsync(response, "lo");

        var stopping = gateway.Host.App.StopAsync(TestContext.Current.CancellationToken);
        using (var ready = await gateway.Client.GetAsync("/health/ready", TestContext.Current.CancellationToken))
        {
            Assert.Equal(503, (int)ready.StatusCode);
            Assert.Contains("stopping", await ready.Content.ReadAsStringAsync(TestContext.Current.CancellationToken), StringComparison.Ordinal);
        }

        gateway.Worker.Ending = "finish";
        using (var late = await gateway.ChatAsync())
        {
            await GatewayUnderTest.ReadAsync(late);
        }

        gateway.Worker.Die.SetResult();
        Assert.Equal("[DONE]", (await GatewayUnderTest.EventsAsync(response, seen))[^1]);
        await stopping;
        await gateway.RestartAsync();
        Assert.Equal(["stop", "stop"], (await gateway.InteractionsAsync()).Select(record => record.GetProperty("end").GetString()));
    }

    private static Task<GatewayUnderTest> StartAsync(int workers, RoutingOptions? limits = null) =>
        GatewayUnderTest.StartAsync(workers, options => options with { Routing = limits ?? Quick });

    private static async Task DrainAsync(GatewayUnderTest gateway, FakeWorker worker)
    {
        using var response = await gateway.PostAsync($"/v1/workers/{worker.Address.Authority}/drain", "");
        Assert.Equal("draining", (await GatewayUnderTest.ReadAsync(response)).GetProperty("state").GetString());
    }
}
