using System.CommandLine;
using System.Globalization;
using Gateway.FrontDoor;

namespace Gateway.Commands;

/// <summary>The options that limit the road to the workers.</summary>
internal static class RoutingSettings
{
    private static readonly RoutingOptions Defaults = new();
    private static readonly Option<TimeSpan> FirstToken = Time("first-token-timeout", "Longest wait for a stream's first bytes from a worker", Defaults.FirstToken);
    private static readonly Option<TimeSpan> BetweenTokens = Time("token-timeout", "Longest gap inside a stream from a worker", Defaults.BetweenTokens);
    private static readonly Option<TimeSpan> Total = Time("request-timeout", "Longest time of a request, all attempts included", Defaults.Total);
    private static readonly Option<TimeSpan> DrainDelay = Time("drain-delay", "How long a stopping process says that it is not ready before it closes its port", Defaults.DrainDelay);
    private static readonly Option<TimeSpan> DrainLimit = Time("drain-limit", "How long replies under way may take to end when the process stops", Defaults.DrainLimit);

    /// <summary>All of them.</summary>
    public static IReadOnlyList<Option> All { get; } = [FirstToken, BetweenTokens, Total, DrainDelay, DrainLimit];

    /// <summary>The limits that were given.</summary>
    public static RoutingOptions Read(ParseResult parsed) => Defaults with
    {
        FirstToken = parsed.GetValue(FirstToken),
        BetweenTokens = parsed.GetValue(BetweenTokens),
        Total = parsed.GetValue(Total),
        DrainDelay = parsed.GetValue(DrainDelay),
        DrainLimit = parsed.GetValue(DrainLimit),
    };

    private static Option<TimeSpan> Time(string name, string description, TimeSpan otherwise) => new($"--{name}")
    {
        Description = $"{description}, as HH:MM:SS.",
        DefaultValueFactory = _ => TimeSpan.TryParse(
            Environment.GetEnvironmentVariable($"GATEWAY_{name.Replace('-', '_').ToUpperInvariant()}"), CultureInfo.InvariantCulture, out var given) ? given : otherwise,
    };
}
