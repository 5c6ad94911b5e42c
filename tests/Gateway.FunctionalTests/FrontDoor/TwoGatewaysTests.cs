using Gateway.FrontDoor;
using Gateway.TestKit.Storage;
using Xunit;

namespace Gateway.FunctionalTests.FrontDoor;

/// <summary>Two front doors on one Redis and one adapter folder: what is ordered on the one is in force on the other.</summary>
public sealed class TwoGatewaysTests
{
    [Fact]
    public async Task Moves_rollbacks_and_workers_of_one_are_followed_by_the_other()
    {
        using var redis = new RedisServer();
        await redis.StartAsync(TestContext.Current.CancellationToken);
        await using var worker = await FakeWorker.StartAsync();
        await using var first = await GatewayUnderTest.StartAsync(workers: 0, with: options => options with { Workers = [worker.Address], Redis = redis.Address });
        await using var second = await GatewayUnderTest.StartAsync(workers: 0, with: options => options with
        {
            Workers = [worker.Address],
            Redis = redis.Address,
            Data = first.DataFolder,
            Model = first.Model.Path,
        });

        var (one, two) = (await first.ImportAdapterAsync(1), await first.ImportAdapterAsync(2));
        var before = await first.DeployAsync("tuned", null, one);
        await EventuallyServesAsync(second, one);
        var after = await second.MoveAsync("tuned", before, two);
        await EventuallyServesAsync(first, two);

        using (var rollback = await first.PostAsync("/v1/deployments/tuned/rollback", $$"""{"expected_release_id":"{{after}}"}"""))
        {
            await GatewayUnderTest.ReadAsync(rollback);
        }

        await EventuallyServesAsync(second, one);

        await using var added = await FakeWorker.StartAsync();
        using (var response = await second.PostAsync("/v1/workers", $$"""{"url":"{{added.Address}}","name":"added"}"""))
        {
            await GatewayUnderTest.ReadAsync(response);
        }

        using (var response = await second.PostAsync($"/v1/workers/{worker.Address.Authority}/drain", ""))
        {
            await GatewayUnderTest.ReadAsync(response);
        }

        await GatewayUnderTest.EventuallyAsync(() => first.Service<WorkerPool>().All is [{ Draining: true }, { Available: true }]);
        using (var chat = await first.ChatAsync("tuned"))
        {
            Assert.Equal(one, (await GatewayUnderTest.ReadAsync(chat)).GetProperty("adapter_generation").GetString());
        }

        Assert.NotEmpty(added.Requests);
        Assert.True((await first.GetAsync("/v1/audit")).GetProperty("verified").GetBoolean());
    }

    private static Task EventuallyServesAsync(GatewayUnderTest gateway, string generation) => GatewayUnderTest.EventuallyAsync(
        () => gateway.Service<RoutingState>().Current.Deployments.TryGetValue("tuned", out var route) && route.Stable.Release.Generation == generation);
}
