using System.Collections.Concurrent;

namespace Gateway.FrontDoor;

/// <summary>
/// One worker as the front door sees it. Long-lived; every member is safe to read at any time. The health monitor and the
/// chat road write <see cref="Healthy"/>, <see cref="WorkerAdapters"/> writes the loaded models.
/// </summary>
public sealed class WorkerState(string name, Uri address)
{
    private readonly ConcurrentDictionary<string, int> _inFlight = new(StringComparer.Ordinal);
    private volatile bool _healthy;
    private volatile string? _baseModel;
    private int _total;

    /// <summary>The name in records: the built-in worker's, or its address.</summary>
    public string Name => name;

    /// <summary>Where it listens.</summary>
    public Uri Address => address;

    /// <summary>True while it answers its health check.</summary>
    public bool Healthy
    {
        get => _healthy;
        set => _healthy = value;
    }

    /// <summary>The id its base model goes by, learned from its model list; null until then.</summary>
    public string? BaseModel
    {
        get => _baseModel;
        set => _baseModel = value;
    }

    /// <summary>The adapter model names it has loaded, as far as this process knows.</summary>
    public ConcurrentDictionary<string, string> LoadedModels { get; } = new(StringComparer.Ordinal);

    /// <summary>Held while an adapter is loaded: workers refuse a second load while one is under way.</summary>
    public SemaphoreSlim Loading { get; } = new(1);

    /// <summary>Requests it is answering for this process.</summary>
    public int InFlight => Volatile.Read(ref _total);

    /// <summary>Requests it is answering for this process under one model name.</summary>
    public int InFlightOf(string model) => _inFlight.GetValueOrDefault(model);

    /// <summary>Counts a request until the lease is disposed.</summary>
    public Lease Begin(string model)
    {
        Interlocked.Increment(ref _total);
        _inFlight.AddOrUpdate(model, 1, static (_, count) => count + 1);
        return new(this, model);
    }

    /// <summary>One request under way; dispose exactly once.</summary>
    public readonly struct Lease(WorkerState worker, string model) : IDisposable
    {
        /// <inheritdoc/>
        public void Dispose()
        {
            Interlocked.Decrement(ref worker._total);
            worker._inFlight.AddOrUpdate(model, 0, static (_, count) => count - 1);
        }
    }
}
