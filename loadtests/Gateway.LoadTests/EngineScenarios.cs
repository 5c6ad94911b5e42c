using Gateway.TestKit;
using Spectre.Console;

namespace Gateway.LoadTests;

/// <summary>Long scenarios over the engine alone.</summary>
internal static class EngineScenarios
{
    /// <summary>Random requests in random engines, each compared with its lone run.</summary>
    public static async Task FuzzAsync(CancellationToken cancellationToken)
    {
        const int Steps = 100_000;
        var requests = await EngineFuzz.RunAsync(Steps, seed: 1, cancellationToken);
        AnsiConsole.WriteLine($"engine: {Steps} steps, {requests} requests equal to their lone runs");
    }
}
