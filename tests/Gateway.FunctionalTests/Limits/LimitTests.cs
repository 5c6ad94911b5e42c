using System.Globalization;
using System.Net;
using Gateway.FrontDoor;
using Gateway.FunctionalTests.FrontDoor;
using Gateway.FunctionalTests.Security;
using Xunit;

namespace Gateway.FunctionalTests.Limits;

/// <summary>Limits of a key on one gateway with the embedded store.</summary>
public sealed class LimitTests : IAsyncLifetime
{
    private KeyedGateway _gateway = null!;

    public async ValueTask InitializeAsync() => _gateway = await KeyedGateway.StartAsync();

    public ValueTask DisposeAsync() => _gateway.DisposeAsync();

    [Fact]
    public async Task Requests_beyond_the_limit_are_429_and_every_reply_says_what_is_left()
    {
        var key = await _gateway.ConsumerAsync("ann", ""","limits":{"requests_per_minute":2}""");
        for (var left = 1; left >= 0; left--)
        {
            using var granted = await _gateway.ChatAsync(key);
            await GatewayUnderTest.ReadAsync(granted);
            Assert.Equal(("2", $"{left}"), (Header(granted, "x-ratelimit-limit-requests"), Header(granted, "x-ratelimit-remaining-requests")));
            Assert.Matches(@"^(\d+ms|[\d.]+s|\d+m\d+s)$", Header(granted, "x-ratelimit-reset-requests"));
        }

        using var refused = await _gateway.ChatAsync(key);
        Assert.Equal("0", Header(refused, "x-ratelimit-remaining-requests"));
        Assert.InRange(int.Parse(Header(refused, "retry-after"), CultureInfo.InvariantCulture), 1, 30);
        Assert.InRange(int.Parse(Header(refused, "retry-after-ms"), CultureInfo.InvariantCulture), 1, 30_000);
        Assert.Equal("rate_limit_exceeded", await GatewayUnderTest.ErrorCodeAsync(refused, 429));
        Assert.Equal(2, (await InteractionsAsync()).Count);

        // Other calls of the key count, too, and other keys are not concerned.
        using var feedback = await _gateway.SendAsync(HttpMethod.Get, "/v1/feedback?response_id=x", key);
        Assert.Equal("rate_limit_exceeded", await GatewayUnderTest.ErrorCodeAsync(feedback, 429));
        using var other = await _gateway.ChatAsync(await _gateway.ConsumerAsync("bob"));
        Assert.False(other.Headers.Contains("x-ratelimit-limit-requests"));
        await GatewayUnderTest.ReadAsync(other);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Tokens_are_reserved_by_the_limit_and_settled_by_the_count(bool stream)
    {
        // The worker counts 7 + 2 tokens; asking for 80 reserves 80 and the prompt.
        var key = await _gateway.ConsumerAsync("ann", ""","limits":{"tokens_per_minute":100}""");
        var more = $$""","max_tokens":80,"stream":{{(stream ? "true" : "false")}}""";
        for (var i = 0; i < 2; i++)
        {
            using var granted = await _gateway.ChatAsync(key, more);
            Assert.Equal(HttpStatusCode.OK, granted.StatusCode);
            await granted.Content.ReadAsStringAsync(TestContext.Current.CancellationToken);
        }

        using var refused = await _gateway.ChatAsync(key, ""","max_tokens":95""");
        Assert.Equal("rate_limit_exceeded", await GatewayUnderTest.ErrorCodeAsync(refused, 429));
        Assert.InRange(int.Parse(Header(refused, "x-ratelimit-remaining-tokens"), CultureInfo.InvariantCulture), 82, 99);
    }

    [Fact]
    public async Task Failures_of_the_worker_cost_nothing()
    {
        var key = await _gateway.ConsumerAsync("ann", ""","limits":{"requests_per_minute":3,"tokens_per_minute":100}""");
        _gateway.Gateway.Worker.Status = 500;
        for (var i = 0; i < 5; i++)
        {
            using var failed = await _gateway.ChatAsync(key, ""","max_tokens":80""");
            Assert.True(failed.StatusCode is HttpStatusCode.BadGateway or HttpStatusCode.ServiceUnavailable, $"{failed.StatusCode}");
        }

        _gateway.Gateway.Worker.Status = 200;
        Assert.Single(_gateway.Gateway.Service<WorkerPool>().All).Succeeded();
        using var granted = await _gateway.ChatAsync(key, ""","max_tokens":80""");
        Assert.Equal("2", Header(granted, "x-ratelimit-remaining-requests"));
        await GatewayUnderTest.ReadAsync(granted);
    }

    [Fact]
    public async Task Replies_under_way_are_limited_and_a_client_that_leaves_makes_room()
    {
        var key = await _gateway.ConsumerAsync("ann", ""","limits":{"concurrent_requests":1}""");
        _gateway.Gateway.Worker.Ending = "hang";
        var first = await _gateway.ChatAsync(key, ""","stream":true""");
        using var second = await _gateway.ChatAsync(key, ""","stream":true""");
        Assert.Equal("rate_limit_exceeded", await GatewayUnderTest.ErrorCodeAsync(second, 429));
        first.Dispose();
        await _gateway.Gateway.Worker.Cancelled.Task.WaitAsync(TestContext.Current.CancellationToken);
        _gateway.Gateway.Worker.Ending = "finish";
        HttpStatusCode status;
        do
        {
            using var third = await _gateway.ChatAsync(key, ""","stream":true""");
            status = third.StatusCode;
        }
        while (status == HttpStatusCode.TooManyRequests);
        Assert.Equal(HttpStatusCode.OK, status);
    }

    [Fact]
    public async Task A_budget_is_429_without_retry_and_survives_a_restart()
    {
        var key = await _gateway.ConsumerAsync("ann", ""","limits":{"budgets":[{"unit":"tokens","per":"day","amount":60}]}""");
        using var first = await _gateway.ChatAsync(key, ""","max_tokens":30""");
        await GatewayUnderTest.ReadAsync(first);
        using var second = await _gateway.ChatAsync(key, ""","max_tokens":40""");
        await GatewayUnderTest.ReadAsync(second);
        await _gateway.Gateway.RestartAsync();
        using var refused = await _gateway.ChatAsync(key, ""","max_tokens":45""");
        Assert.Equal("false", Header(refused, "x-should-retry"));
        Assert.Equal("insufficient_quota", await GatewayUnderTest.ErrorCodeAsync(refused, 429));
        using var smaller = await _gateway.ChatAsync(key, ""","max_tokens":20""");
        await GatewayUnderTest.ReadAsync(smaller);
    }

    [Fact]
    public async Task A_budget_of_money_counts_by_the_keys_prices()
    {
        // 7 tokens at 1 and 2 at 4 per token make 15; 1000 tokens cost more than the budget.
        var key = await _gateway.ConsumerAsync("ann", """
            ,"limits":{"prices":{"input":1000000,"output":4000000},"budgets":[{"unit":"cost","per":"month","amount":100}]}
            """);
        for (var i = 0; i < 3; i++)
        {
            using var granted = await _gateway.ChatAsync(key, ""","max_tokens":10""");
            await GatewayUnderTest.ReadAsync(granted);
        }

        using var refused = await _gateway.ChatAsync(key, ""","max_tokens":20""");
        Assert.Equal("insufficient_quota", await GatewayUnderTest.ErrorCodeAsync(refused, 429));
    }

    [Fact]
    public async Task Many_at_once_never_get_more_than_the_limit()
    {
        var key = await _gateway.ConsumerAsync("ann", ""","limits":{"requests_per_minute":20}""");
        var started = TimeProvider.System.GetTimestamp();
        var statuses = await Task.WhenAll(Enumerable.Range(0, 100).Select(async _ =>
        {
            using var response = await _gateway.ChatAsync(key);
            return response.StatusCode;
        }));
        var refilled = (int)(TimeProvider.System.GetElapsedTime(started).TotalSeconds * 20 / 60) + 1;
        Assert.InRange(statuses.Count(status => status == HttpStatusCode.OK), 20, 20 + refilled);
    }

    private async Task<IReadOnlyList<System.Text.Json.JsonElement>> InteractionsAsync()
    {
        await _gateway.Gateway.Service<Gateway.FrontDoor.InteractionRecorder>().FlushAsync(TestContext.Current.CancellationToken);
        using var response = await _gateway.SendAsync(HttpMethod.Get, "/v1/interactions", KeyedGateway.OperatorKey);
        return [.. (await GatewayUnderTest.ReadAsync(response)).GetProperty("data").EnumerateArray()];
    }

    private static string Header(HttpResponseMessage response, string name) => response.Headers.GetValues(name).Single();
}
