using Gateway.Domain.Routing;
using Xunit;

namespace Gateway.UnitTests.Domain.Routing;

public class CircuitBreakerTests
{
    private static readonly DateTimeOffset Start = new(2026, 5, 1, 0, 0, 0, TimeSpan.Zero);

    [Fact]
    public void ThreeFailuresInARowOpenIt_AndOneRequestDecidesAfterThePause()
    {
        var breaker = CircuitBreaker.Closed.Fail(Start).Fail(Start).Succeed().Fail(Start).Fail(Start);
        Assert.Equal(BreakerState.Closed, breaker.StateAt(Start));
        breaker = breaker.Fail(Start);
        Assert.False(breaker.Allows(Start.AddSeconds(4.9)));

        Assert.Equal(BreakerState.HalfOpen, breaker.StateAt(Start.AddSeconds(5)));
        Assert.True(breaker.Allows(Start.AddSeconds(5)));
        breaker = breaker.Begin();
        Assert.False(breaker.Allows(Start.AddSeconds(5)));
        Assert.True(breaker.Abandon().Allows(Start.AddSeconds(5)));
        Assert.Equal(BreakerState.Closed, breaker.Succeed().StateAt(Start.AddSeconds(5)));
    }

    [Fact]
    public void EachFailedProbeDoublesThePauseUpToAMinute()
    {
        var breaker = CircuitBreaker.Closed.Fail(Start).Fail(Start).Fail(Start);
        foreach (var pause in new[] { 10, 20, 40, 60, 60 })
        {
            var now = breaker.OpenUntil!.Value;
            breaker = breaker.Begin().Fail(now);
            Assert.Equal(now.AddSeconds(pause), breaker.OpenUntil);
        }
    }

    [Fact]
    public void FailuresOfRequestsThatBeganBeforeDoNotExtendThePause()
    {
        var breaker = CircuitBreaker.Closed.Fail(Start).Fail(Start).Fail(Start);
        Assert.Same(breaker, breaker.Fail(Start.AddSeconds(4)));
    }

    [Theory]
    [InlineData(0, true, null, 0)]
    [InlineData(0, false, null, 500)]
    [InlineData(1, false, null, 1000)]
    [InlineData(1, false, 3000, 3000)]
    [InlineData(2, true, null, null)]
    [InlineData(0, false, 90_000, null)]
    public void ARetryWaitsOnlyForAWorkerThatFailedAlready(int retry, bool other, int? retryAfter, int? expected)
    {
        var delay = new RetryPolicy().Delay(retry, other, retryAfter is { } asked ? TimeSpan.FromMilliseconds(asked) : null, TimeSpan.FromMinutes(1), random: 0.5);
        Assert.Equal(expected, delay?.TotalMilliseconds);
    }

    [Fact]
    public void TheJitterIsAFifthToBothSides()
    {
        var policy = new RetryPolicy { Retries = 20 };
        Assert.Equal(400, policy.Delay(0, false, null, TimeSpan.FromMinutes(1), 0)!.Value.TotalMilliseconds);
        Assert.InRange(policy.Delay(0, false, null, TimeSpan.FromMinutes(1), 0.9999)!.Value.TotalMilliseconds, 599, 600);
        Assert.Equal(5000, policy.Delay(12, false, null, TimeSpan.FromMinutes(1), 0.5)!.Value.TotalMilliseconds);
    }
}
