using System.CommandLine;
using Gateway.Domain.Rollouts;
using Gateway.Hosting;
using Gateway.Jobs;
using Gateway.Model.Weights;
using Gateway.Records;
using Gateway.Telemetry;

namespace Gateway.Commands;

/// <summary><c>gateway serve</c>: the whole gateway in one process.</summary>
internal static class ServeCommand
{
    private static readonly RolloutOptions Defaults = new();

    private static readonly Option<string> Model = new("--model")
    {
        Description = "Hugging Face model folder. With --worker: the folder of the model the workers serve.",
        DefaultValueFactory = _ => Configured("MODEL") ?? ServeOptions.StarterModel,
    };

    private static readonly Option<string> Data = new("--data")
    {
        Description = "Folder for records, adapters and training runs; made when missing.",
        DefaultValueFactory = _ => Configured("DATA") ?? DataFolder.DefaultRoot(),
    };

    private static readonly Option<string> Urls = new("--urls")
    {
        Description = "Where clients connect. The default is this machine only; http://0.0.0.0:8080 is every network and needs keys.",
        DefaultValueFactory = _ => Configured("URLS") ?? ServeOptions.DefaultUrl,
    };

    private static readonly Option<string?> Redis = new("--redis")
    {
        Description = "Keep the records in Redis instead of the data folder, for example localhost:6379.",
        DefaultValueFactory = _ => Configured("REDIS"),
    };

    private static readonly Option<string[]> Worker = new("--worker")
    {
        Description = "Route to this worker (repeatable) instead of the built-in one: 'gateway worker' or vLLM.",
        DefaultValueFactory = _ => Configured("WORKERS")?.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries) ?? [],
    };

    private static readonly Option<string?> WorkerToken = new("--worker-token")
    {
        Description = "Bearer token that the workers ask for.",
        DefaultValueFactory = _ => Configured("WORKER_TOKEN"),
    };

    private static readonly Option<string?> WorkerAdapters = new("--worker-adapters")
    {
        Description = "Folder under which vLLM workers see DATA/adapters, when it is another one on their machines.",
        DefaultValueFactory = _ => Configured("WORKER_ADAPTERS"),
    };

    private static readonly Option<string[]> TrustedAdapterKeys = new("--trusted-adapter-key")
    {
        Description = "PEM file of a P-256 public key whose signatures on uploaded and imported adapters are trusted (repeatable).",
        DefaultValueFactory = _ => Configured("TRUSTED_ADAPTER_KEYS")?.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries) ?? [],
    };

    private static readonly Option<bool> RequireSignedAdapters = new("--require-signed-adapters")
    {
        Description = "Take only adapters that a trusted key has signed, and those of own training runs.",
        DefaultValueFactory = _ => Configured("REQUIRE_SIGNED_ADAPTERS") is "1" or "true",
    };

    private static readonly Option<string> Name = new("--name")
    {
        Description = "Name of the base deployment, the 'model' that clients ask for.",
        DefaultValueFactory = _ => Configured("NAME") ?? "starter",
    };

    private static readonly Option<WeightFormat?> Weights = WeightsOption.Create(
        "The default is int8, and f32 for the starter model. With --worker: the format that the workers serve.", () => Configured("WEIGHTS"));

    private static readonly Option<int> Threads = new("--threads")
    {
        Description = "Compute threads of the built-in worker.",
        DefaultValueFactory = _ => int.TryParse(Configured("THREADS"), System.Globalization.CultureInfo.InvariantCulture, out var count) ? count : Environment.ProcessorCount,
    };

    private static readonly Option<long> AdapterMemory = AdapterMemoryOption.Create(() => Configured("ADAPTER_MEMORY"));

    private static readonly Option<string[]> Retention = new("--retention")
    {
        Description = "Days that interactions are kept, as DAYS for all or DEPLOYMENT=DAYS for one (repeatable); without it, for ever.",
        DefaultValueFactory = _ => Configured("RETENTION")?.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries) ?? [],
    };

    private static readonly Option<bool> Redact = new("--redact")
    {
        Description = "Replace e-mail addresses, phone numbers, cards, IBANs and IP addresses in everything that is recorded.",
        DefaultValueFactory = _ => string.Equals(Configured("REDACT"), "true", StringComparison.OrdinalIgnoreCase),
    };

    private static readonly Option<TimeSpan> RolloutHold = new("--rollout-hold")
    {
        Description = "Shortest time at each step of a rollout, as HH:MM:SS.",
        DefaultValueFactory = _ => Duration("ROLLOUT_HOLD") ?? Defaults.Hold,
    };

    private static readonly Option<TimeSpan> AttributionWindow = new("--attribution-window")
    {
        Description = "How long feedback on a reply counts for its rollout, as HH:MM:SS.",
        DefaultValueFactory = _ => Duration("ATTRIBUTION_WINDOW") ?? Defaults.AttributionWindow,
    };

    /// <summary>The command with its options.</summary>
    public static Command Create()
    {
        var command = new Command(
            "serve",
            """
            Serve, record, learn and release (the default command).

            Examples:
              gateway serve
              gateway serve --model ~/models/Qwen2.5-0.5B-Instruct --name qwen --data ~/gateway-data
              gateway serve --worker http://gpu-1:8000 --worker http://gpu-2:8000 --model ~/models/served-by-them --redis localhost:6379

            Every option can also be set by environment variable: GATEWAY_MODEL, GATEWAY_DATA, GATEWAY_URLS, GATEWAY_REDIS,
            GATEWAY_WORKERS (comma-separated), GATEWAY_WORKER_TOKEN, GATEWAY_NAME, GATEWAY_WEIGHTS, GATEWAY_THREADS,
            GATEWAY_ADAPTER_MEMORY, GATEWAY_RETENTION (comma-separated), GATEWAY_REDACT (true), GATEWAY_ROLLOUT_HOLD, GATEWAY_ATTRIBUTION_WINDOW, GATEWAY_WORKER_ADAPTERS,
            GATEWAY_TRUSTED_ADAPTER_KEYS (comma-separated), GATEWAY_REQUIRE_SIGNED_ADAPTERS, GATEWAY_DRAIN_DELAY,
            GATEWAY_DRAIN_LIMIT, GATEWAY_RESPONSE_DAYS, GATEWAY_RESPONSE_TURNS, GATEWAY_RESPONSE_BYTES. Only there: GATEWAY_OPERATOR_KEY, an operator key for a first start on a network; see also
            'gateway keys create'.
            """);
        AddOptionsTo(command);
        return command;
    }

    /// <summary>Gives a command the options and the action of serve; the root command takes them, too.</summary>
    public static void AddOptionsTo(Command command)
    {
        foreach (var option in (Option[])[Model, Data, Urls, Redis, Worker, WorkerToken, WorkerAdapters, TrustedAdapterKeys, RequireSignedAdapters, Name, Weights, Threads, AdapterMemory, Retention, Redact, RolloutHold, AttributionWindow, .. RoutingSettings.All, .. ProtectionSettings.All, .. ResponseSettings.All])
        {
            command.Options.Add(option);
        }

        command.SetAction(async (parsed, cancellationToken) =>
        {
            if (Addresses.Read("--worker", parsed.GetValue(Worker), out var workers) is { } problem)
            {
                return await Refusal.WriteAsync(problem);
            }

            var records = new RecordOptions { Redact = parsed.GetValue(Redact) };
            foreach (var text in parsed.GetValue(Retention) ?? [])
            {
                if (records.WithRetention(text) is not { } changed)
                {
                    return await Refusal.WriteAsync($"--retention '{text}' is not a time: write DAYS or DEPLOYMENT=DAYS, for example 30 or starter=7");
                }

                records = changed;
            }

            var (guards, guardsProblem) = await ProtectionSettings.ReadGuardsAsync(parsed, cancellationToken);
            if (guardsProblem is not null)
            {
                return await Refusal.WriteAsync(guardsProblem);
            }

            var model = Path.GetFullPath(parsed.GetRequiredValue(Model));
            return await RunAsync(
                new ServeOptions
                {
                    Model = model,
                    Weights = parsed.GetValue(Weights) ?? ServeOptions.DefaultWeights(model),
                    Data = Path.GetFullPath(parsed.GetRequiredValue(Data)),
                    Url = parsed.GetRequiredValue(Urls),
                    Redis = parsed.GetValue(Redis),
                    Workers = workers,
                    WorkerToken = parsed.GetValue(WorkerToken),
                    WorkerAdapters = parsed.GetValue(WorkerAdapters),
                    Routing = RoutingSettings.Read(parsed),
                    TrustedAdapterKeys = parsed.GetValue(TrustedAdapterKeys) ?? [],
                    RequireSignedAdapters = parsed.GetValue(RequireSignedAdapters),
                    OperatorKey = Configured("OPERATOR_KEY"),
                    Requests = ProtectionSettings.ReadLimits(parsed),
                    Guards = guards,
                    GuardAddresses = parsed.GetValue(ProtectionSettings.GuardAddresses) ?? [],
                    Name = parsed.GetRequiredValue(Name),
                    Threads = parsed.GetValue(Threads),
                    AdapterBytes = parsed.GetValue(AdapterMemory) << 20,
                    Records = records,
                    Responses = ResponseSettings.Read(parsed),
                    Learning = new LearningOptions
                    {
                        Rollout = Defaults with { Hold = parsed.GetValue(RolloutHold), AttributionWindow = parsed.GetValue(AttributionWindow) },
                    },
                },
                cancellationToken);
        });
    }

    private static async Task<int> RunAsync(ServeOptions options, CancellationToken cancellationToken)
    {
        try
        {
            using var export = OtlpExport.Start("gateway");
            await using var host = await GatewayHost.StartAsync(options, configure: null, cancellationToken);
            WriteBanner(options, host);
            await host.App.WaitForShutdownAsync(cancellationToken);
            return 0;
        }
        catch (StartRefusedException refusal)
        {
            return await Refusal.WriteAsync(refusal.Message);
        }
    }

    private static void WriteBanner(ServeOptions options, GatewayHost host)
    {
        var url = host.Address.AbsoluteUri.TrimEnd('/');
        Console.WriteLine($$"""

            Gateway serves on {{url}}
              model    {{host.Model.Name}} ({{options.Model}}, {{host.Model.Fingerprint[..12]}}, {{host.Model.WeightFormat}})
              workers  {{(options.Workers.Count == 0 ? $"built-in, {options.Threads} threads" : string.Join(", ", options.Workers))}}
              records  {{host.StoreDescription}}

            Try it:
              curl {{url}}/v1/chat/completions -H 'Content-Type: application/json' \
                -d '{"model":"{{host.Model.Name}}","messages":[{"role":"user","content":"Hello! How are you?"}]}'

            Ctrl-C drains the requests under way and stops.
            """);
    }

    private static TimeSpan? Duration(string name) =>
        TimeSpan.TryParse(Configured(name), System.Globalization.CultureInfo.InvariantCulture, out var duration) ? duration : null;

    private static string? Configured(string name) =>
        Environment.GetEnvironmentVariable($"GATEWAY_{name}") is { Length: > 0 } value ? value : null;
}
