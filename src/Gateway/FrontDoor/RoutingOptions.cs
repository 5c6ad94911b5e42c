using Gateway.Domain.Routing;

namespace Gateway.FrontDoor;

/// <summary>How long the road waits for workers, and for requests when the process stops.</summary>
public sealed record RoutingOptions
{
    /// <summary>How long after its arrival a request may begin another attempt.</summary>
    public TimeSpan RetryFor { get; init; } = TimeSpan.FromMinutes(1);

    /// <summary>When a failed request goes to a worker again.</summary>
    public RetryPolicy Retry { get; init; } = new();

    /// <summary>How long a stopping process says that it is not ready while it still takes requests, so that balancers turn away.</summary>
    public TimeSpan DrainDelay { get; init; } = TimeSpan.Zero;

    /// <summary>How long replies under way may take to end after that; later ones are cut.</summary>
    public TimeSpan DrainLimit { get; init; } = TimeSpan.FromSeconds(30);
}
