using Gateway.Model.Weights;

namespace Gateway.Worker;

/// <summary>How a worker runs.</summary>
public sealed record WorkerOptions
{
    /// <summary>Hugging Face model directory: weights, tokenizer and chat template.</summary>
    public required string ModelDirectory { get; init; }

    /// <summary>The name under which the base model is served.</summary>
    public string ModelName { get; init; } = "starter";

    /// <summary>Shared token that callers must send as bearer token; null on a loopback listener.</summary>
    public string? Token { get; init; }

    /// <summary>The gateways from which adapters are fetched whose folder this machine does not see, in order.</summary>
    public IReadOnlyList<Uri> Gateways { get; init; } = [];

    /// <summary>Where fetched adapters are kept.</summary>
    public string AdapterCache { get; init; } = Path.Combine(Path.GetTempPath(), "gateway-adapters");

    /// <summary>How the linear maps are held.</summary>
    public WeightFormat Weights { get; init; } = WeightFormat.F32;

    /// <summary>Where packed weights are kept for the next start; null keeps none.</summary>
    public string? WeightCache { get; init; }

    /// <summary>Compute threads.</summary>
    public int Threads { get; init; } = Environment.ProcessorCount;

    /// <summary>Memory for the key/value cache in bytes; one full context is reserved in any case.</summary>
    public long CacheBytes { get; init; } = 256L << 20;

    /// <summary>Adapter generations in memory, retired ones included.</summary>
    public int MaximumAdapters { get; init; } = 256;

    /// <summary>Memory for adapters in bytes; those not used for longest leave it and are read again when asked for.</summary>
    public long AdapterBytes { get; init; } = DefaultAdapterBytes;

    /// <summary>Memory for adapters where nothing is said: a hundred of rank 16 on a model of 135 million weights, in bfloat16.</summary>
    public const long DefaultAdapterBytes = 1L << 30;

    /// <summary>How long a stream may be silent before a comment is sent.</summary>
    public TimeSpan KeepAlive { get; init; } = TimeSpan.FromSeconds(15);

    /// <summary>Largest request body in bytes.</summary>
    public long MaximumBodyBytes { get; init; } = 8L << 20;
}
