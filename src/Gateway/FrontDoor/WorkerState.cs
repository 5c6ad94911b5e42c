using System.Collections.Concurrent;
using Gateway.Domain.Routing;

namespace Gateway.FrontDoor;

/// <summary>
/// One worker as the front door sees it. Long-lived; every member is safe to read at any time. The health monitor writes what
/// it learns from probes, the chat road how requests end, <see cref="WorkerAdapters"/> the loaded models, and
/// <see cref="WorkerRegistry"/> whether it drains.
/// </summary>
public sealed class WorkerState(string name, Uri address)
{
    private readonly ConcurrentDictionary<string, int> _inFlight = new(StringComparer.Ordinal);
    private readonly Lock _gate = new();
    private volatile CircuitBreaker _breaker = CircuitBreaker.Closed;
    private volatile bool _healthy;
    private volatile bool _draining;
    private volatile WorkerFacts? _facts;
    private volatile string? _adapterRoot;
    private volatile string? _problem;
    private int _total;

    /// <summary>The name in records: the built-in worker's, or its address.</summary>
    public string Name => name;

    /// <summary>Where it listens.</summary>
    public Uri Address => address;

    /// <summary>The address as YARP takes it.</summary>
    public string Destination { get; } = address.AbsoluteUri;

    /// <summary>Its place in the choice of workers; equal in every process.</summary>
    public ulong Identity { get; } = RoutingHash.Of(name);

    /// <summary>True while it answers its health check and fits this gateway.</summary>
    public bool Healthy
    {
        get => _healthy;
        set => _healthy = value;
    }

    /// <summary>True while it gets no new requests; those under way end.</summary>
    public bool Draining
    {
        get => _draining;
        set => _draining = value;
    }

    /// <summary>True when it may get requests, as far as its health and orders say.</summary>
    public bool Available => _healthy && !_draining;

    /// <summary>What its model list says; null until it answered.</summary>
    public WorkerFacts? Facts
    {
        get => _facts;
        set => _facts = value;
    }

    /// <summary>The id its base model goes by; null until it answered.</summary>
    public string? BaseModel => _facts?.BaseModel;

    /// <summary>Why it gets no requests although it answers, or null.</summary>
    public string? Problem
    {
        get => _problem;
        set => _problem = value;
    }

    /// <summary>The folder under which it sees the adapters, or null when it is this process's own.</summary>
    public string? AdapterRoot
    {
        get => _adapterRoot;
        set => _adapterRoot = value;
    }

    /// <summary>The adapter model names it has loaded, as far as this process knows.</summary>
    public ConcurrentDictionary<string, string> LoadedModels { get; } = new(StringComparer.Ordinal);

    /// <summary>Held while an adapter is loaded: workers refuse a second load while one is under way.</summary>
    public SemaphoreSlim Loading { get; } = new(1);

    /// <summary>Held while it is probed: a slow worker is asked once at a time.</summary>
    public SemaphoreSlim Probing { get; } = new(1);

    /// <summary>The breaker as it stands.</summary>
    public CircuitBreaker Breaker => _breaker;

    /// <summary>Requests it is answering for this process.</summary>
    public int InFlight => Volatile.Read(ref _total);

    /// <summary>Requests it is answering for this process under one model name.</summary>
    public int InFlightOf(string model) => _inFlight.GetValueOrDefault(model);

    /// <summary>Takes the breaker's leave for a request; false when it lets none through.</summary>
    public bool TryEnter(DateTimeOffset now)
    {
        if (_breaker.OpenUntil is null)
        {
            return true;
        }

        lock (_gate)
        {
            if (!_breaker.Allows(now))
            {
                return false;
            }

            _breaker = _breaker.Begin();
            return true;
        }
    }

    /// <summary>A request ended: well, badly, or in a way that says nothing about the worker (the client left, an adapter could not be loaded).</summary>
    public void End(bool? worked, DateTimeOffset now)
    {
        switch (worked)
        {
            case true:
                Succeeded();
                break;
            case false:
                Failed(now);
                break;
            default:
                Abandoned();
                break;
        }
    }

    /// <summary>A request ended well.</summary>
    public void Succeeded()
    {
        if (_breaker != CircuitBreaker.Closed)
        {
            Change(breaker => breaker.Succeed());
        }
    }

    /// <summary>A request failed because of this worker.</summary>
    public void Failed(DateTimeOffset now) => Change(breaker => breaker.Fail(now));

    /// <summary>A request ended without telling anything about this worker.</summary>
    public void Abandoned()
    {
        if (_breaker.Probing)
        {
            Change(breaker => breaker.Abandon());
        }
    }

    /// <summary>Counts a request until the lease is disposed.</summary>
    public Lease Begin(string model)
    {
        Interlocked.Increment(ref _total);
        _inFlight.AddOrUpdate(model, 1, static (_, count) => count + 1);
        return new(this, model);
    }

    private void Change(Func<CircuitBreaker, CircuitBreaker> change)
    {
        lock (_gate)
        {
            _breaker = change(_breaker);
        }
    }

    /// <summary>One request under way; dispose exactly once.</summary>
    public readonly struct Lease(WorkerState worker, string model) : IDisposable
    {
        /// <inheritdoc/>
        public void Dispose()
        {
            Interlocked.Decrement(ref worker._total);
            if (worker._inFlight.AddOrUpdate(model, 0, static (_, count) => count - 1) == 0)
            {
                // Names carry a generation: one that nobody asks for any more never comes again.
                worker._inFlight.TryRemove(new(model, 0));
            }
        }
    }
}
