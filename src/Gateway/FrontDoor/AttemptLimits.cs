namespace Gateway.FrontDoor;

/// <summary>The limits of one attempt of a request that arrived <paramref name="elapsed"/> ago.</summary>
internal readonly struct AttemptLimits(RoutingOptions options, TimeSpan elapsed, TimeProvider clock)
{
    /// <summary>The worker's stream, watched.</summary>
    public TimedStream Apply(Stream upstream) => new(upstream, options.FirstToken, options.BetweenTokens, options.Total - elapsed, clock);
}
