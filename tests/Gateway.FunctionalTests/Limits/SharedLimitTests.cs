using System.Net;
using Gateway.FunctionalTests.FrontDoor;
using Gateway.FunctionalTests.Security;
using Gateway.TestKit.Storage;
using Xunit;

namespace Gateway.FunctionalTests.Limits;

/// <summary>Keys and limits of several gateways on one Redis.</summary>
public sealed class SharedLimitTests : IAsyncLifetime
{
    private readonly RedisServer _redis = new();
    private readonly List<KeyedGateway> _gateways = [];

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        await _redis.StartAsync(Token);
        for (var i = 0; i < 3; i++)
        {
            _gateways.Add(await KeyedGateway.StartAsync(options => options with { Redis = _redis.Address }));
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _redis.StartAsync(CancellationToken.None);
        foreach (var gateway in _gateways)
        {
            await gateway.DisposeAsync();
        }

        _redis.Dispose();
    }

    [Fact]
    public async Task Three_replicas_together_never_grant_more_than_the_limit()
    {
        var key = await KeyOnAllAsync(""","limits":{"requests_per_minute":30,"tokens_per_minute":100000}""");
        var started = TimeProvider.System.GetTimestamp();
        var statuses = await Task.WhenAll(Enumerable.Range(0, 150).Select(i => StatusAsync(_gateways[i % 3], key)));
        var refilled = (int)(TimeProvider.System.GetElapsedTime(started).TotalSeconds * 30 / 60) + 1;
        Assert.InRange(statuses.Count(status => status == HttpStatusCode.OK), 30, 30 + refilled);
        Assert.All(statuses, status => Assert.True(status is HttpStatusCode.OK or HttpStatusCode.TooManyRequests, $"{status}"));
    }

    [Fact]
    public async Task A_budget_holds_across_replicas_with_the_workers_counts()
    {
        // Each reply counts 9 tokens; a reservation of 12 + 10 stands while it is under way.
        var key = await KeyOnAllAsync(""","limits":{"budgets":[{"unit":"tokens","per":"day","amount":100}]}""");
        var granted = 0;
        for (var i = 0; i < 30; i++)
        {
            granted += await StatusAsync(_gateways[i % 3], key, ""","max_tokens":10""") == HttpStatusCode.OK ? 1 : 0;
        }

        Assert.InRange(granted, 8, 11);
        using var refused = await _gateways[1].ChatAsync(key, ""","max_tokens":90""");
        Assert.Equal("insufficient_quota", await GatewayUnderTest.ErrorCodeAsync(refused, 429));
    }

    [Fact]
    public async Task Replies_under_way_count_on_every_replica()
    {
        var key = await KeyOnAllAsync(""","limits":{"concurrent_requests":1}""");
        _gateways[0].Gateway.Worker.Ending = "hang";
        using var first = await _gateways[0].ChatAsync(key, ""","stream":true""");
        await GatewayUnderTest.ReadUntilAsync(first, "lo");
        Assert.Equal(HttpStatusCode.TooManyRequests, await StatusAsync(_gateways[1], key));
        first.Dispose();
        while (await StatusAsync(_gateways[1], key) == HttpStatusCode.TooManyRequests)
        {
            await Task.Delay(10, Token);
        }
    }

    [Fact]
    public async Task A_revocation_is_in_force_everywhere_within_a_second()
    {
        var created = await _gateways[0].CreateKeyAsync("""
            "owner":"ann","scopes":["inference"]
            """);
        var (id, key) = (created.GetProperty("id").GetString(), created.GetProperty("secret").GetString()!);
        await ReachesAsync(key, HttpStatusCode.OK);
        using var revoked = await _gateways[0].SendAsync(HttpMethod.Post, $"/v1/keys/{id}/revoke", KeyedGateway.OperatorKey);
        await GatewayUnderTest.ReadAsync(revoked);
        var started = TimeProvider.System.GetTimestamp();
        await ReachesAsync(key, HttpStatusCode.Unauthorized);
        Assert.InRange(TimeProvider.System.GetElapsedTime(started), TimeSpan.Zero, TimeSpan.FromSeconds(1));
    }

    [Fact]
    public async Task Without_Redis_each_keys_policy_decides_and_counting_comes_back()
    {
        var open = await KeyOnAllAsync(""","limits":{"requests_per_minute":5}""");
        var closed = await KeyOnAllAsync(""","limits":{"requests_per_minute":5,"on_store_failure":"fail_closed"}""", "bob");
        _redis.Kill();
        var (granted, refused) = (0, 0);
        for (var i = 0; i < 8; i++)
        {
            var status = await StatusAsync(_gateways[0], open);
            granted += status == HttpStatusCode.OK ? 1 : 0;
            refused += status == HttpStatusCode.TooManyRequests ? 1 : 0;
            Assert.Equal(HttpStatusCode.ServiceUnavailable, await StatusAsync(_gateways[0], closed));
        }

        // This replica counts by itself; its bucket refills by one every twelve seconds.
        Assert.InRange(granted, 5, 6);
        Assert.InRange(refused, 2, 3);

        await _redis.StartAsync(Token);
        while (await StatusAsync(_gateways[0], closed) == HttpStatusCode.ServiceUnavailable)
        {
            await Task.Delay(50, Token);
        }
    }

    private static async Task<HttpStatusCode> StatusAsync(KeyedGateway gateway, string key, string more = "")
    {
        using var response = await gateway.ChatAsync(key, more);
        await response.Content.ReadAsStringAsync(Token);
        return response.StatusCode;
    }

    private async Task<string> KeyOnAllAsync(string more, string owner = "ann")
    {
        var key = await _gateways[0].ConsumerAsync(owner, more);
        foreach (var gateway in _gateways)
        {
            while (true)
            {
                // A call that no limit counts tells whether the key has arrived.
                using var response = await gateway.SendAsync(HttpMethod.Get, "/v1/keys", key);
                if (response.StatusCode == HttpStatusCode.Forbidden)
                {
                    break;
                }

                await Task.Delay(5, Token);
            }
        }

        return key;
    }

    private async Task ReachesAsync(string key, HttpStatusCode expected)
    {
        foreach (var gateway in _gateways)
        {
            while (await StatusAsync(gateway, key) != expected)
            {
                await Task.Delay(5, Token);
            }
        }
    }
}
