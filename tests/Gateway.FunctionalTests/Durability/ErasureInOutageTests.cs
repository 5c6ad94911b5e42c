using Gateway.FunctionalTests.FrontDoor;
using Gateway.FunctionalTests.Responses;
using Gateway.TestKit.Storage;
using Xunit;

namespace Gateway.FunctionalTests.Durability;

/// <summary>A user is deleted while records of theirs wait on the disk of a gateway for a Redis that was away: they do not come back.</summary>
public sealed class ErasureInOutageTests : IDisposable
{
    private readonly RedisServer _redis = new();

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public void Dispose() => _redis.Dispose();

    [Fact]
    public async Task While_the_store_is_away_nobody_is_deleted_and_afterwards_with_what_waited()
    {
        await using var gateway = await StartAsync();
        await ChatAsync(gateway, "ann");
        _redis.Kill();
        await ChatAsync(gateway, "ann");
        await ChatAsync(gateway, "bob");
        await AwaitSpillAsync(gateway);
        using (var refused = await gateway.Client.DeleteAsync("/v1/users/ann/interactions", Token))
        {
            Assert.Equal("store_unavailable", await GatewayUnderTest.ErrorCodeAsync(refused, 503));
        }

        await _redis.StartAsync(Token);
        HttpResponseMessage deleted;
        while ((deleted = await gateway.Client.DeleteAsync("/v1/users/ann/interactions", Token)).StatusCode == System.Net.HttpStatusCode.ServiceUnavailable)
        {
            deleted.Dispose();
        }

        using (deleted)
        {
            Assert.Equal(2, (await GatewayUnderTest.ReadAsync(deleted)).GetProperty("interactions_erased").GetInt32());
        }

        Assert.Equal(["bob"], await UsersAsync(gateway));
        Assert.False(await HasSpilledAsync(gateway));
    }

    [Fact]
    public async Task What_a_stopped_gateway_has_on_its_disk_is_not_taken_in_when_it_starts_again()
    {
        await using var gateway = await StartAsync();
        await using var other = await GatewayUnderTest.StartAsync(with: options => options with { Redis = _redis.Address, Model = gateway.Model.Path });
        var first = (await other.CreateAsync(more: ""","user":"ann" """)).Id();
        Assert.Equal(["ann"], await UsersAsync(other));
        _redis.Kill();
        await ChatAsync(other, "ann");
        await ChatAsync(other, "bob");
        await AwaitSpillAsync(other);
        await other.Host.DisposeAsync();
        await _redis.StartAsync(Token);
        using (var deleted = await gateway.Client.DeleteAsync("/v1/users/ann/interactions", Token))
        {
            Assert.Equal(1, (await GatewayUnderTest.ReadAsync(deleted)).GetProperty("interactions_erased").GetInt32());
        }

        using (var gone = await gateway.Client.GetAsync($"/v1/responses/{first}", Token))
        {
            Assert.Equal("not_found", await GatewayUnderTest.ErrorCodeAsync(gone, 404));
        }

        // A second deletion finds nobody; later the user comes back of their own accord.
        using (var again = await gateway.Client.DeleteAsync("/v1/users/ann/interactions", Token))
        {
            Assert.Equal("user_not_found", await GatewayUnderTest.ErrorCodeAsync(again, 404));
        }

        await other.RestartAsync();
        while (await HasSpilledAsync(other))
        {
            await Task.Delay(20, Token);
        }

        Assert.Equal(["bob"], await UsersAsync(gateway));
        await ChatAsync(gateway, "ann");
        Assert.Equal(["ann", "bob"], await UsersAsync(gateway));
    }

    private async Task<GatewayUnderTest> StartAsync()
    {
        await _redis.StartAsync(Token);
        return await GatewayUnderTest.StartAsync(with: options => options with { Redis = _redis.Address });
    }

    private static async Task ChatAsync(GatewayUnderTest gateway, string user)
    {
        using var reply = await gateway.ChatAsync(more: $$""","user":"{{user}}" """);
        await GatewayUnderTest.ReadAsync(reply);
    }

    private static async Task<IEnumerable<string>> UsersAsync(GatewayUnderTest gateway) =>
        (await gateway.InteractionsAsync()).Select(record => record.GetProperty("user").GetString()!);

    /// <summary>Waits until the local file has bob's interaction, and so everything before it.</summary>
    private static async Task AwaitSpillAsync(GatewayUnderTest gateway)
    {
        while (!await HasSpilledAsync(gateway))
        {
            await Task.Delay(20, Token);
        }
    }

    private static async Task<bool> HasSpilledAsync(GatewayUnderTest gateway)
    {
        foreach (var path in Directory.EnumerateFiles(gateway.DataFolder, "*.spill"))
        {
            try
            {
                await using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
                using var reader = new StreamReader(file);
                if ((await reader.ReadToEndAsync(Token)).Contains("\"bob\"", StringComparison.Ordinal))
                {
                    return true;
                }
            }
            catch (FileNotFoundException)
            {
                // It has just been sent.
            }
        }

        return false;
    }
}
