using System.CommandLine;
using Gateway.Commands;

// Longer than the host's own time to drain, which would otherwise be cut short.
var configuration = new InvocationConfiguration { ProcessTerminationTimeout = TimeSpan.FromSeconds(45) };
return await GatewayCommand.Create().Parse(args).InvokeAsync(configuration);
