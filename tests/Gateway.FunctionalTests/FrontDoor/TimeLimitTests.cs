using System.Net;
using Gateway.Hosting;
using Xunit;

namespace Gateway.FunctionalTests.FrontDoor;

/// <summary>Requests that are too large, too deep or too slow.</summary>
public sealed class TimeLimitTests
{
    [Theory]
    [InlineData(true, "the first token")]
    [InlineData(false, "the whole reply")]
    public async Task A_reply_that_does_not_begin_is_504_and_its_worker_stays_up(bool stream, string what)
    {
        await using var gateway = await StartAsync(new RequestLimits { FirstToken = TimeSpan.FromMilliseconds(100), Total = TimeSpan.FromMilliseconds(200) });
        gateway.Worker.Chunks = [];
        gateway.Worker.Ending = "mute";
        using var response = await gateway.ChatAsync(more: stream ? ""","stream":true""" : "");
        var text = await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken);
        Assert.True(response.StatusCode == HttpStatusCode.GatewayTimeout, text);
        Assert.Contains(what, text, StringComparison.Ordinal);
        Assert.Contains("upstream_timeout", text, StringComparison.Ordinal);
        Assert.Equal("worker_failed", (await gateway.SingleInteractionAsync()).GetProperty("end").GetString());

        gateway.Worker.Ending = "finish";
        using var next = await gateway.ChatAsync();
        Assert.Equal(HttpStatusCode.OK, next.StatusCode);
    }

    [Theory]
    [InlineData(100, 60_000, "a pause between tokens")]
    [InlineData(60_000, 300, "the whole reply")]
    public async Task A_stream_that_falls_silent_ends_with_an_error_event(int betweenTokens, int total, string what)
    {
        await using var gateway = await StartAsync(new RequestLimits
        {
            FirstToken = TimeSpan.FromMilliseconds(Math.Min(total, 5000)),
            BetweenTokens = TimeSpan.FromMilliseconds(betweenTokens),
            Total = TimeSpan.FromMilliseconds(total),
        });
        gateway.Worker.Ending = "hang";
        using var response = await gateway.ChatAsync(more: ""","stream":true""");
        var events = await GatewayUnderTest.EventsAsync(response);
        Assert.Contains(what, events[^1], StringComparison.Ordinal);
        Assert.Contains("upstream_timeout", events[^1], StringComparison.Ordinal);
        Assert.DoesNotContain("[DONE]", events);
        await gateway.Worker.Cancelled.Task.WaitAsync(TestContext.Current.CancellationToken);
        var record = await gateway.SingleInteractionAsync();
        Assert.Equal(("worker_failed", "Hello"), (record.GetProperty("end").GetString(), record.GetProperty("reply").GetString()));
    }

    [Fact]
    public async Task Large_and_deep_bodies_are_refused_by_their_limits()
    {
        await using var gateway = await StartAsync(new RequestLimits { MaximumBodyBytes = 1000 });
        using var large = await gateway.PostAsync("/v1/chat/completions", $$"""{"model":"starter","messages":[{"role":"user","content":"{{new string('x', 1000)}}"}]}""");
        Assert.Equal("request_too_large", await GatewayUnderTest.ErrorCodeAsync(large, 413));
        using var deep = await gateway.PostAsync("/v1/chat/completions", new string('[', 65) + new string(']', 65));
        var text = await deep.Content.ReadAsStringAsync(TestContext.Current.CancellationToken);
        Assert.Equal(HttpStatusCode.BadRequest, deep.StatusCode);
        Assert.Contains("nested deeper than 64 levels", text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Too_many_and_too_large_headers_are_refused()
    {
        await using var gateway = await StartAsync(new RequestLimits { MaximumHeaders = 10, MaximumHeaderBytes = 2000 });
        using var many = await GetAsync(request => Enumerable.Range(0, 20).ToList().ForEach(i => request.Headers.Add($"x-{i}", "1")));
        using var large = await GetAsync(request => request.Headers.Add("x-large", new string('x', 2000)));
        Assert.Equal((431, 431), ((int)many.StatusCode, (int)large.StatusCode));

        Task<HttpResponseMessage> GetAsync(Action<HttpRequestMessage> add)
        {
            var request = new HttpRequestMessage(HttpMethod.Get, "/v1/models");
            add(request);
            return gateway.Client.SendAsync(request, TestContext.Current.CancellationToken);
        }
    }

    private static Task<GatewayUnderTest> StartAsync(RequestLimits limits) => GatewayUnderTest.StartAsync(with: options => options with { Requests = limits });
}
