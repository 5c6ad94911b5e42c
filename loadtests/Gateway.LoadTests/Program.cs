using System.Globalization;
using Gateway.LoadTests;
using Gateway.LoadTests.FrontDoor;

// The other sides of a scenario, in processes of their own.
switch (args)
{
    case ["instant-worker", var port]:
        InstantWorker.Run(Number(port));
        break;
    case ["bare-proxy", var port, var workerPort]:
        BareProxy.Run(Number(port), Number(workerPort));
        break;
}

// Long scenarios by name; `dotnet test` has the short version of each. "all" runs every one.
(string Name, Func<Task> Run)[] scenarios =
[
    ("store-kill", () => StoreScenarios.KillLoopAsync(rounds: 50, CancellationToken.None)),
    ("store-speed", () => StoreScenarios.MeasureAsync(CancellationToken.None)),
    ("engine-fuzz", () => EngineScenarios.FuzzAsync(CancellationToken.None)),
    ("simulation", () => Task.Run(GatewayScenarios.SimulationTable)),
    ("gateway-kill", () => GatewayScenarios.KillLoopAsync(CancellationToken.None)),
    ("records", () => RecordsScenario.RunAsync(CancellationToken.None)),
    ("front-door", () => FrontDoorScenario.RunAsync(args, CancellationToken.None)),
    ("resilience", () => ResilienceScenario.RunAsync(CancellationToken.None)),
    ("adapters", () => AdapterCycleScenario.RunAsync(TimeSpan.FromMinutes(5), CancellationToken.None)),
    ("swap", () => SwapScenario.RunAsync(TimeSpan.FromSeconds(60), CancellationToken.None)),
];

var chosen = args is [var name, ..] ? [.. scenarios.Where(scenario => name == "all" || scenario.Name == name)] : Array.Empty<(string Name, Func<Task> Run)>();
if (chosen.Length == 0)
{
    Console.Error.WriteLine($"usage: Gateway.LoadTests all | {string.Join(" | ", scenarios.Select(scenario => scenario.Name))} [its arguments]");
    return 2;
}

foreach (var scenario in chosen)
{
    Console.WriteLine($"== {scenario.Name}");
    await scenario.Run();
}

return 0;

static int Number(string text) => int.Parse(text, CultureInfo.InvariantCulture);
