using Gateway.LoadTests;

// Long scenarios by name; `dotnet test` has the short version of each. "all" runs every one.
var all = args is ["all"];
var name = args.FirstOrDefault();

if (all || name == "store-kill")
{
    await StoreScenarios.KillLoopAsync(rounds: 50, CancellationToken.None);
}

if (all || name == "store-speed")
{
    await StoreScenarios.MeasureAsync(CancellationToken.None);
}

if (!all && name is not ("store-kill" or "store-speed"))
{
    Console.Error.WriteLine("usage: Gateway.LoadTests all | store-kill | store-speed");
    return 2;
}

return 0;
