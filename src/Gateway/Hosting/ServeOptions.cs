using Gateway.Domain.Guards;
using Gateway.FrontDoor;
using Gateway.Jobs;
using Gateway.Model.Weights;
using Gateway.Records;
using Gateway.Responses;
using Gateway.Worker;

namespace Gateway.Hosting;

/// <summary>Everything <c>gateway serve</c> can be told.</summary>
public sealed record ServeOptions
{
    /// <summary>Hugging Face model directory; with <see cref="Workers"/>, that of the model they serve.</summary>
    public string Model { get; init; } = StarterModel;

    /// <summary>The data folder: store, adapters, training runs.</summary>
    public string Data { get; init; } = DataFolder.DefaultRoot();

    /// <summary>Where clients connect.</summary>
    public string Url { get; init; } = DefaultUrl;

    /// <summary>StackExchange.Redis configuration; null keeps the records in the data folder.</summary>
    public string? Redis { get; init; }

    /// <summary>External workers; none runs the built-in one in this process.</summary>
    public IReadOnlyList<Uri> Workers { get; init; } = [];

    /// <summary>Bearer token that external workers ask for, or null.</summary>
    public string? WorkerToken { get; init; }

    /// <summary>The folder under which external workers see the adapters of <see cref="Data"/>; null when it is the same.</summary>
    public string? WorkerAdapters { get; init; }

    /// <summary>Limits of the road to the workers.</summary>
    public RoutingOptions Routing { get; init; } = new();

    /// <summary>PEM files of the public keys whose signatures on adapters are trusted; none checks no signatures.</summary>
    public IReadOnlyList<string> TrustedAdapterKeys { get; init; } = [];

    /// <summary>True to take only adapters that a trusted key has signed; those of own training runs need none.</summary>
    public bool RequireSignedAdapters { get; init; }

    /// <summary>
    /// An operator key that needs no store, for a first start on a network; null for none. Only the environment gives it:
    /// command lines are visible to others.
    /// </summary>
    public string? OperatorKey { get; init; }

    /// <summary>How large, deep and slow a request may be.</summary>
    public RequestLimits Requests { get; init; } = new();

    /// <summary>What may not go in or out of any deployment, or null.</summary>
    public GuardPolicy? Guards { get; init; }

    /// <summary>The addresses, <c>scheme://host:port</c>, that guards may ask; guards elsewhere fail.</summary>
    public IReadOnlyList<Uri> GuardAddresses { get; init; } = [];

    /// <summary>Shortest operator key, in characters.</summary>
    public const int MinimumOperatorKeyLength = 32;

    /// <summary>Name of the base deployment.</summary>
    public string Name { get; init; } = "starter";

    /// <summary>How the built-in worker holds the weights, or how external ones do.</summary>
    public WeightFormat Weights { get; init; } = WeightFormat.F32;

    /// <summary>Compute threads of the built-in worker.</summary>
    public int Threads { get; init; } = Environment.ProcessorCount;

    /// <summary>Memory for adapters of the built-in worker in bytes.</summary>
    public long AdapterBytes { get; init; } = WorkerOptions.DefaultAdapterBytes;

    /// <summary>What is kept of interactions and for how long.</summary>
    public RecordOptions Records { get; init; } = new();

    /// <summary>How long responses are kept and how long their conversations may grow.</summary>
    public ResponseOptions Responses { get; init; } = new();

    /// <summary>Settings of the learning loop; the model's folder and the threads are those above.</summary>
    public LearningOptions Learning { get; init; } = new();

    /// <summary>Where clients connect by default: this machine only.</summary>
    public const string DefaultUrl = "http://127.0.0.1:8080";

    /// <summary>The format to serve a model in where nothing is said: the starter is small and stays exact, checkpoints are quantized.</summary>
    public static WeightFormat DefaultWeights(string model) => model == StarterModel ? WeightFormat.F32 : WeightFormat.Int8;

    /// <summary>The model that travels with the executable.</summary>
    public static string StarterModel => Path.Combine(AppContext.BaseDirectory, "Starter");
}
