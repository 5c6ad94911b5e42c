using Gateway.Domain.Routing;

namespace Gateway.FrontDoor;

/// <summary>What a request asks of a worker.</summary>
/// <param name="AdapterModel">The adapter's name on workers, or null for the base model.</param>
/// <param name="Adapter">Hash of the adapter generation; 0 for the base model.</param>
/// <param name="Prefix">Hash of the prompt's beginning.</param>
public readonly record struct WorkerWish(string? AdapterModel, ulong Adapter, ulong Prefix)
{
    /// <summary>What a request for a release asks.</summary>
    public static WorkerWish For(Assigned assigned, ulong prefix) =>
        new(assigned.WorkerModel, assigned.Release.Release.Generation is { } generation ? RoutingHash.Of(generation) : 0, prefix);
}

/// <summary>The workers this process routes to; replaced whole when operators add or remove one. Thread-safe.</summary>
public sealed class WorkerPool
{
    private const int OnStack = 64;
    private readonly TimeProvider _clock;
    private volatile WorkerState[] _workers;

    /// <summary>Begins with the workers named at the start; of two with one name the first stays.</summary>
    public WorkerPool(IEnumerable<WorkerState> configured, TimeProvider clock)
    {
        (_workers, _clock) = ([.. configured.DistinctBy(worker => worker.Name)], clock);
        Configured = _workers;
    }

    /// <summary>The workers named at the start.</summary>
    public IReadOnlyList<WorkerState> Configured { get; }

    /// <summary>All workers, healthy or not.</summary>
    public IReadOnlyList<WorkerState> All => _workers;

    /// <summary>Replaces the workers; requests under way end where they are.</summary>
    public void Replace(IEnumerable<WorkerState> workers) => _workers = [.. workers];

    /// <summary>
    /// The worker for a request, other than those already <paramref name="tried"/>: of the available ones whose breaker lets it
    /// through, those that have the adapter if any has, chosen by <see cref="BoundedRendezvous"/>. The request must end with
    /// one of the worker's <c>Succeeded</c>, <c>Failed</c> or <c>Abandoned</c>. Null when no worker is left.
    /// </summary>
    public WorkerState? Pick(in WorkerWish wish, IReadOnlyCollection<WorkerState> tried)
    {
        var workers = _workers;
        var now = _clock.GetUtcNow();
        if (workers.Length == 1)
        {
            return workers[0].Available && !tried.Contains(workers[0]) && workers[0].TryEnter(now) ? workers[0] : null;
        }

        Span<int> indices = workers.Length <= OnStack ? stackalloc int[workers.Length] : new int[workers.Length];
        Span<WorkerCandidate> candidates = workers.Length <= OnStack ? stackalloc WorkerCandidate[workers.Length] : new WorkerCandidate[workers.Length];
        var count = Collect(workers, wish, tried, now, mustHaveAdapter: true, indices, candidates);
        if (count == 0 && wish.AdapterModel is not null)
        {
            count = Collect(workers, wish, tried, now, mustHaveAdapter: false, indices, candidates);
        }

        while (count > 0)
        {
            var chosen = BoundedRendezvous.Choose(candidates[..count], wish.Adapter, wish.Prefix);
            if (workers[indices[chosen]].TryEnter(now))
            {
                return workers[indices[chosen]];
            }

            // Another request was faster to a breaker that lets only one through.
            count--;
            (indices[chosen], candidates[chosen]) = (indices[count], candidates[count]);
        }

        return null;
    }

    private static int Collect(
        WorkerState[] workers, in WorkerWish wish, IReadOnlyCollection<WorkerState> tried, DateTimeOffset now, bool mustHaveAdapter,
        Span<int> indices, Span<WorkerCandidate> candidates)
    {
        var count = 0;
        for (var i = 0; i < workers.Length; i++)
        {
            var worker = workers[i];
            if (worker.Available && worker.Breaker.Allows(now) && (tried.Count == 0 || !tried.Contains(worker))
                && (wish.AdapterModel is null || !mustHaveAdapter || worker.LoadedModels.ContainsKey(wish.AdapterModel)))
            {
                indices[count] = i;
                candidates[count++] = new(worker.Identity, worker.InFlight, wish.AdapterModel is null ? 0 : worker.InFlightOf(wish.AdapterModel));
            }
        }

        return count;
    }
}
