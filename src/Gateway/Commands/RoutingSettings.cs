using System.CommandLine;
using System.Globalization;
using Gateway.FrontDoor;

namespace Gateway.Commands;

/// <summary>The options that say how the process stops.</summary>
internal static class RoutingSettings
{
    private static readonly RoutingOptions Defaults = new();
    private static readonly Option<TimeSpan> DrainDelay = Time("drain-delay", "How long a stopping process says that it is not ready before it closes its port", Defaults.DrainDelay);
    private static readonly Option<TimeSpan> DrainLimit = Time("drain-limit", "How long replies under way may take to end when the process stops", Defaults.DrainLimit);

    /// <summary>All of them.</summary>
    public static IReadOnlyList<Option> All { get; } = [DrainDelay, DrainLimit];

    /// <summary>The limits that were given.</summary>
    public static RoutingOptions Read(ParseResult parsed) => Defaults with
    {
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
