namespace Gateway.FrontDoor;

/// <summary>The workers this process routes to. Thread-safe.</summary>
public sealed class WorkerPool(IReadOnlyList<WorkerState> workers)
{
    /// <summary>All workers, healthy or not.</summary>
    public IReadOnlyList<WorkerState> All => workers;

    /// <summary>
    /// The healthy worker for a model, other than those already <paramref name="tried"/>: one that has the adapter before one
    /// that has not, then the least busy. Null when none is left.
    /// </summary>
    public WorkerState? Pick(string? adapterModel, IReadOnlyCollection<WorkerState> tried) => workers
        .Where(worker => worker.Healthy && !tried.Contains(worker))
        .OrderBy(worker => adapterModel is null || worker.LoadedModels.ContainsKey(adapterModel) ? 0 : 1)
        .ThenBy(worker => worker.InFlight)
        .FirstOrDefault();
}
