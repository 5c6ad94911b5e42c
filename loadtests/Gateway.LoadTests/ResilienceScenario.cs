using Gateway.TestKit.Processes;

namespace Gateway.LoadTests;

/// <summary>Redis, a worker and a gateway of a fleet are killed under load, one after another.</summary>
internal static class ResilienceScenario
{
    /// <summary>Throws when something acknowledged is lost, a limit is exceeded beyond its slack, or a reply is wrong.</summary>
    public static async Task RunAsync(CancellationToken cancellationToken)
    {
        foreach (var victim in Enum.GetValues<Victim>())
        {
            using var fleet = new GatewayFleet();
            await fleet.StartAsync(cancellationToken);
            var report = await new KillUnderLoad(fleet).RunAsync(
                victim, before: TimeSpan.FromSeconds(8), down: TimeSpan.FromSeconds(5), after: TimeSpan.FromSeconds(8), cancellationToken);
            Console.WriteLine($"resilience: {report}");
            if (report.Broken() is { } broken)
            {
                throw new InvalidOperationException(broken);
            }
        }
    }
}
