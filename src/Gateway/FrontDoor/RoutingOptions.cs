using Gateway.Domain.Routing;

namespace Gateway.FrontDoor;

/// <summary>How long the road waits for workers, and for requests when the process stops.</summary>
public sealed record RoutingOptions
{
    /// <summary>From sending a request to the first bytes of a streamed reply.</summary>
    public TimeSpan FirstToken { get; init; } = TimeSpan.FromMinutes(2);

    /// <summary>Between two pieces of a streamed reply.</summary>
    public TimeSpan BetweenTokens { get; init; } = TimeSpan.FromMinutes(1);

    /// <summary>From a request's arrival to the end of its reply, all attempts included.</summary>
    public TimeSpan Total { get; init; } = TimeSpan.FromMinutes(10);

    /// <summary>When a failed request goes to a worker again.</summary>
    public RetryPolicy Retry { get; init; } = new();

    /// <summary>How long a stopping process says that it is not ready while it still takes requests, so that balancers turn away.</summary>
    public TimeSpan DrainDelay { get; init; } = TimeSpan.Zero;

    /// <summary>How long replies under way may take to end after that; later ones are cut.</summary>
    public TimeSpan DrainLimit { get; init; } = TimeSpan.FromSeconds(30);
}
