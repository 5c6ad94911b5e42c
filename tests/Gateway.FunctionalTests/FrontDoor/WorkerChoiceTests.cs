using System.Text.Json;
using Xunit;

namespace Gateway.FunctionalTests.FrontDoor;

public sealed class WorkerChoiceTests
{
    [Fact]
    public async Task A_dead_worker_is_replaced_before_the_first_byte()
    {
        await using var gateway = await GatewayUnderTest.StartAsync(workers: 2);
        await gateway.Workers[0].DisposeAsync();
        for (var i = 0; i < 4; i++)
        {
            using var response = await gateway.ChatAsync();
            await GatewayUnderTest.ReadAsync(response);
        }

        Assert.Equal(4, (await gateway.InteractionsAsync()).Count);
    }

    [Fact]
    public async Task Without_a_worker_the_request_is_refused_with_a_time_to_retry_and_recorded()
    {
        await using var gateway = await GatewayUnderTest.StartAsync();
        await gateway.Worker.DisposeAsync();

        // The first request may still be the one that finds out; after it the worker is known to be down.
        using var first = await gateway.ChatAsync();
        Assert.Contains((int)first.StatusCode, (int[])[502, 503]);
        using var second = await gateway.ChatAsync();
        Assert.Equal("no_healthy_worker", await GatewayUnderTest.ErrorCodeAsync(second, 503));
        Assert.NotNull(second.Headers.RetryAfter);
        var records = await gateway.InteractionsAsync();
        Assert.Equal(2, records.Count);
        Assert.All(records, record => Assert.Equal("worker_failed", record.GetProperty("end").GetString()));
    }

    [Fact]
    public async Task A_worker_that_lost_the_adapter_gets_it_again()
    {
        await using var gateway = await GatewayUnderTest.StartAsync();
        var generation = await gateway.ImportAdapterAsync(seed: 1);
        var release = await gateway.CreateReleaseAsync(contract: null, generation);
        using (var created = await gateway.PostAsync("/v1/deployments", $$"""{"name":"tuned","release_id":"{{release}}"}"""))
        {
            await GatewayUnderTest.ReadAsync(created);
        }

        var name = $"tuned--{generation[..12]}";
        Assert.Contains(name, gateway.Worker.Adapters.Keys);
        gateway.Worker.Adapters.Clear();
        using var response = await gateway.ChatAsync("tuned");
        var reply = await GatewayUnderTest.ReadAsync(response);

        Assert.Equal(generation, reply.GetProperty("adapter_generation").GetString());
        Assert.Equal(generation, response.Headers.GetValues("x-adapter-generation").Single());
        Assert.Contains(name, gateway.Worker.Adapters.Keys);
        Assert.Single(await gateway.InteractionsAsync());

        // The exact generation can be asked for by name and bypasses rollouts.
        using var exact = await gateway.ChatAsync(name);
        Assert.Equal(name, (await GatewayUnderTest.ReadAsync(exact)).GetProperty("model").GetString());
    }
}
