using System.CommandLine;
using Gateway.Hosting;
using Gateway.Model.Weights;
using Gateway.Telemetry;
using Gateway.Worker;

namespace Gateway.Commands;

/// <summary><c>gateway worker</c>: the engine behind vLLM's dialect, for a front door elsewhere.</summary>
internal static class WorkerCommand
{
    private const string DefaultUrl = "http://127.0.0.1:8000";

    /// <summary>The command with its options.</summary>
    public static Command Create()
    {
        var model = new Option<string>("--model") { Description = "Hugging Face model folder.", DefaultValueFactory = _ => ServeOptions.StarterModel };
        var urls = new Option<string>("--urls") { Description = "Where the front door connects. Beyond this machine, --token is required.", DefaultValueFactory = _ => DefaultUrl };
        var name = new Option<string>("--name") { Description = "Name of the base model.", DefaultValueFactory = _ => "starter" };
        var token = new Option<string?>("--token") { Description = "Shared secret that callers must send as bearer token; also GATEWAY_WORKER_TOKEN.", DefaultValueFactory = _ => Environment.GetEnvironmentVariable("GATEWAY_WORKER_TOKEN") };
        var gateways = new Option<string[]>("--gateway") { Description = "Fetch adapters from this gateway (repeatable) when this machine does not see their folder; --token must be its --worker-token.", DefaultValueFactory = _ => [] };
        var weights = WeightsOption.Create("The default is int8, and f32 for the starter model.");
        var data = new Option<string>("--data")
        {
            Description = "Folder that keeps packed weights and fetched adapters between starts; made when missing.",
            DefaultValueFactory = _ => Environment.GetEnvironmentVariable("GATEWAY_DATA") is { Length: > 0 } folder ? folder : DataFolder.DefaultRoot(),
        };
        var threads = new Option<int>("--threads") { Description = "Compute threads.", DefaultValueFactory = _ => Environment.ProcessorCount };
        var adapterMemory = AdapterMemoryOption.Create();
        var command = new Command(
            "worker",
            """
            Run the engine alone, speaking vLLM's OpenAI dialect, for a front door elsewhere.

            Example:
              gateway worker --model ~/models/Qwen2.5-0.5B-Instruct --name qwen --urls http://127.0.0.1:8000
              gateway serve --worker http://127.0.0.1:8000 --model ~/models/Qwen2.5-0.5B-Instruct --name qwen
              gateway worker --urls http://0.0.0.0:8000 --token SECRET --gateway http://front-door:8080
            """)
        {
            model, urls, name, token, gateways, weights, data, threads, adapterMemory,
        };
        command.SetAction(async (parsed, cancellationToken) =>
        {
            if (Addresses.Read("--gateway", parsed.GetValue(gateways), out var sources) is { } problem)
            {
                return await Refusal.WriteAsync(problem);
            }

            var folder = Path.GetFullPath(parsed.GetRequiredValue(model));
            var dataFolder = new DataFolder(Path.GetFullPath(parsed.GetRequiredValue(data)));
            return await RunAsync(
                new WorkerOptions
                {
                    ModelDirectory = folder,
                    ModelName = parsed.GetRequiredValue(name),
                    Token = parsed.GetValue(token),
                    Weights = parsed.GetValue(weights) ?? ServeOptions.DefaultWeights(folder),
                    WeightCache = dataFolder.Cache,
                    Gateways = sources,
                    AdapterCache = dataFolder.AdapterCache,
                    Threads = parsed.GetValue(threads),
                    AdapterBytes = parsed.GetValue(adapterMemory) << 20,
                },
                parsed.GetRequiredValue(urls),
                cancellationToken);
        });
        return command;
    }

    private static async Task<int> RunAsync(WorkerOptions options, string url, CancellationToken cancellationToken)
    {
        try
        {
            using var export = OtlpExport.Start("gateway-worker");
            await using var worker = await BuiltInWorker.StartAsync(options, url, TimeProvider.System, cancellationToken);
            Console.WriteLine($"Worker serves {options.ModelName} ({options.Weights.Name()}) on {worker.Address}");
            await worker.App.WaitForShutdownAsync(cancellationToken);
            return 0;
        }
        catch (StartRefusedException refusal)
        {
            return await Refusal.WriteAsync(refusal.Message);
        }
    }
}
