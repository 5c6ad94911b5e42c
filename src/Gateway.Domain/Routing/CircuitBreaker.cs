namespace Gateway.Domain.Routing;

/// <summary>What a breaker lets through.</summary>
public enum BreakerState
{
    /// <summary>Everything.</summary>
    Closed,

    /// <summary>Nothing until its time is over.</summary>
    Open,

    /// <summary>One request, whose end decides.</summary>
    HalfOpen,
}

/// <summary>
/// The circuit breaker of one worker: after three failures in a row it opens for five seconds, then lets one request through.
/// When that one fails it opens again for twice as long, at most a minute. Immutable; times are ticks of one clock.
/// </summary>
public sealed record CircuitBreaker
{
    private const int Threshold = 3;
    private static readonly TimeSpan FirstPause = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan LongestPause = TimeSpan.FromMinutes(1);

    private CircuitBreaker()
    {
    }

    /// <summary>A breaker that has seen no failure.</summary>
    public static CircuitBreaker Closed { get; } = new();

    /// <summary>Failures in a row.</summary>
    public int Failures { get; private init; }

    /// <summary>When it lets the next request through; null while it is closed.</summary>
    public DateTimeOffset? OpenUntil { get; private init; }

    /// <summary>True while the one request of a half-open breaker is under way.</summary>
    public bool Probing { get; private init; }

    private TimeSpan Pause { get; init; }

    /// <summary>What it lets through at <paramref name="now"/>.</summary>
    public BreakerState StateAt(DateTimeOffset now) =>
        OpenUntil is not { } until ? BreakerState.Closed : now < until ? BreakerState.Open : BreakerState.HalfOpen;

    /// <summary>True when a request may go; it must then be begun with <see cref="Begin"/>.</summary>
    public bool Allows(DateTimeOffset now) => StateAt(now) switch
    {
        BreakerState.Closed => true,
        BreakerState.HalfOpen => !Probing,
        _ => false,
    };

    /// <summary>A request goes.</summary>
    public CircuitBreaker Begin() => OpenUntil is null ? this : this with { Probing = true };

    /// <summary>A request ended without telling anything about the worker: its client left, say.</summary>
    public CircuitBreaker Abandon() => Probing ? this with { Probing = false } : this;

    /// <summary>The worker did its work.</summary>
    public CircuitBreaker Succeed() => Closed;

    /// <summary>The worker failed at <paramref name="now"/>. Failures of requests that began before it opened do not extend the pause.</summary>
    public CircuitBreaker Fail(DateTimeOffset now)
    {
        if (OpenUntil is not null && !Probing)
        {
            return this;
        }

        var failures = Failures + 1;
        if (failures < Threshold)
        {
            return this with { Failures = failures };
        }

        var pause = OpenUntil is null ? FirstPause : TimeSpan.FromTicks(Math.Min(Pause.Ticks * 2, LongestPause.Ticks));
        return new() { Failures = failures, OpenUntil = now + pause, Pause = pause };
    }
}
