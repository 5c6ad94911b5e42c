using Gateway.TestKit;
using Gateway.TestKit.Processes;

namespace Gateway.LoadTests;

/// <summary>Long scenarios over a whole gateway.</summary>
internal static class GatewayScenarios
{
    /// <summary>Twenty kills at random points of traffic, feedback, control changes and training.</summary>
    public static async Task KillLoopAsync(CancellationToken cancellationToken)
    {
        using var folder = TestData.CreateFolder();
        var options = new KillLoopOptions
        {
            TrafficRounds = 8,
            TrainingRounds = 12,
            Shortest = TimeSpan.FromSeconds(0.2),
            Longest = TimeSpan.FromSeconds(3),
        };
        var report = await new KillLoop(options, line => Console.WriteLine($"kill: {line}")).RunAsync(folder.Path, cancellationToken);
        Console.WriteLine($"kill: {report}");
        if (report.AdapterEqual != true || report.TrainingKills == 0)
        {
            throw new InvalidOperationException("The loop must interrupt a training run and find its adapter equal to an uninterrupted one's.");
        }
    }

    /// <summary>The simulation tables of the rollout statistics with 10,000 runs a row.</summary>
    public static void SimulationTable()
    {
        const int Runs = 10_000;
        foreach (var row in (SimulationRow[])[.. RolloutSimulation.ThreeGuardrails, .. RolloutSimulation.OneGuardrail])
        {
            RolloutSimulation.AssertReproduces(row, RolloutSimulation.Run(row, Runs, seed: 1));
            Console.WriteLine($"simulation: {row.Name}: reproduced with {Runs} runs");
        }
    }
}
