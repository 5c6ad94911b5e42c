using System.Diagnostics;
using System.Text.Json;
using Gateway.FunctionalTests.FrontDoor;
using Gateway.TestKit.Storage;
using Xunit;

namespace Gateway.FunctionalTests.Responses;

/// <summary>What becomes of responses while Redis is away, and afterwards.</summary>
public sealed class ResponsesOutageTests : IDisposable
{
    private readonly RedisServer _redis = new();

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public void Dispose() => _redis.Dispose();

    [Fact]
    public async Task What_must_be_kept_or_found_is_503_the_rest_is_served_and_everything_is_recorded()
    {
        await using var gateway = await StartAsync();
        var kept = (await gateway.CreateAsync()).Id();
        _redis.Kill();

        // Each waits for the store as long as any call does, so they wait together.
        var began = Stopwatch.GetTimestamp();
        var whole = gateway.RespondAsync();
        var stream = gateway.StreamAsync();
        var continued = gateway.RespondAsync(more: $$""","store":false,"previous_response_id":"{{kept}}" """);
        var read = gateway.Client.GetAsync($"/v1/responses/{kept}", Token);
        var unkept = await gateway.CreateAsync(more: ""","store":false""");
        Assert.InRange(Stopwatch.GetElapsedTime(began).TotalSeconds, 0, 5);
        Assert.Equal("completed", unkept.GetProperty("status").GetString());

        using (var refused = await whole)
        {
            Assert.Equal("store_unavailable", await GatewayUnderTest.ErrorCodeAsync(refused, 503));
            Assert.NotNull(refused.Headers.RetryAfter);
        }

        var events = await stream;
        Assert.InRange(Stopwatch.GetElapsedTime(began).TotalSeconds, 0, 18);
        Assert.Equal(["error", "response.failed"], events.TakeLast(2).Select(sent => sent.Type));
        Assert.Equal("store_unavailable", events[^2].Data.GetProperty("code").GetString());
        Assert.DoesNotContain(events, sent => sent.Type == "response.completed");
        using (var refused = await continued)
        {
            Assert.Equal("store_unavailable", await GatewayUnderTest.ErrorCodeAsync(refused, 503));
        }

        using (var refused = await read)
        {
            Assert.Equal("store_unavailable", await GatewayUnderTest.ErrorCodeAsync(refused, 503));
        }

        await _redis.StartAsync(Token);
        var next = await gateway.CreateAsync("\"And then?\"", $$""","previous_response_id":"{{kept}}" """);
        Assert.Equal(["Hi", "Hello", "And then?"], gateway.Worker.Requests.Last().GetProperty("messages").EnumerateArray().Select(message => message.GetProperty("content").GetString()));
        Assert.Equal(next.Id(), (await gateway.GetAsync($"/v1/responses/{next.Id()}")).Id());
        var failed = events[^1].Data.GetProperty("response").Id();
        using (var missing = await gateway.Client.GetAsync($"/v1/responses/{failed}", Token))
        {
            Assert.Equal("not_found", await GatewayUnderTest.ErrorCodeAsync(missing, 404));
        }

        // Five replies were made; the worker is not to blame for those that could not be kept.
        IReadOnlyList<JsonElement> records;
        while ((records = await gateway.InteractionsAsync()).Count < 5)
        {
            await Task.Delay(50, Token);
        }

        Assert.Equal(5, records.Select(record => record.GetProperty("id").GetString()).Distinct().Count());
        Assert.All(records, record => Assert.Equal(("stop", "Hello", 0), (record.GetProperty("end").GetString(), record.GetProperty("reply").GetString(), record.GetProperty("flags").GetArrayLength())));
        Assert.Contains(records, record => record.GetProperty("status").GetInt32() == 503);
    }

    [Fact]
    public async Task A_short_outage_only_makes_a_kept_response_late()
    {
        await using var gateway = await StartAsync();
        _redis.Kill();
        var creating = gateway.CreateAsync();
        await Task.Delay(500, Token);
        Assert.False(creating.IsCompleted);
        await _redis.StartAsync(Token);
        var created = await creating;
        Assert.Equal(ResponsesUnderTest.Normal(created), ResponsesUnderTest.Normal(await gateway.GetAsync($"/v1/responses/{created.Id()}")));
        var next = await gateway.CreateAsync(more: $$""","previous_response_id":"{{created.Id()}}" """);
        Assert.Equal(created.Id(), next.GetProperty("previous_response_id").GetString());
    }

    private async Task<GatewayUnderTest> StartAsync()
    {
        await _redis.StartAsync(Token);
        return await GatewayUnderTest.StartAsync(with: options => options with { Redis = _redis.Address });
    }
}
