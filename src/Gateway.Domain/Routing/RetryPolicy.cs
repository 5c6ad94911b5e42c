namespace Gateway.Domain.Routing;

/// <summary>When a request that failed before its first byte goes to a worker again.</summary>
public sealed record RetryPolicy
{
    /// <summary>Most attempts after the first.</summary>
    public int Retries { get; init; } = 2;

    /// <summary>Wait before the first retry on a worker that failed already; doubles with each.</summary>
    public TimeSpan BackOff { get; init; } = TimeSpan.FromMilliseconds(500);

    private static readonly TimeSpan LongestBackOff = TimeSpan.FromSeconds(5);

    /// <summary>
    /// How long to wait before the next attempt, or null to give up: all retries are used, or the wait would end after the
    /// deadline. Another worker is asked at once; one that failed already after the back-off, or later when it said so.
    /// </summary>
    /// <param name="retry">0 for the first retry.</param>
    /// <param name="isOtherWorker">True when a worker is left that was not asked yet.</param>
    /// <param name="retryAfter">What the worker asked for, or null.</param>
    /// <param name="left">Time until the request's deadline.</param>
    /// <param name="random">A draw from [0, 1), for the jitter of 0.8 to 1.2.</param>
    public TimeSpan? Delay(int retry, bool isOtherWorker, TimeSpan? retryAfter, TimeSpan left, double random)
    {
        if (retry >= Retries)
        {
            return null;
        }

        var wait = TimeSpan.Zero;
        if (!isOtherWorker)
        {
            var jitter = 0.8 + (0.4 * random);
            wait = TimeSpan.FromTicks((long)(Math.Min(BackOff.Ticks << Math.Min(retry, 16), LongestBackOff.Ticks) * jitter));
            wait = retryAfter > wait ? retryAfter.Value : wait;
        }

        return wait < left ? wait : null;
    }
}
