using Gateway.Api.Wire;
using Gateway.Hosting;

namespace Gateway.FrontDoor;

/// <summary>
/// Keeps the adapters that traffic may need loaded on the workers, under names that are never reused for another
/// generation, and unloads what nothing needs any more. Thread-safe.
/// </summary>
public sealed partial class WorkerAdapters(WorkerPool pool, WorkerClient client, DataFolder folder, ILogger<WorkerAdapters> logger)
{
    /// <summary>Brings every healthy worker in line with <paramref name="snapshot"/>.</summary>
    public Task EnsureAsync(RoutingSnapshot snapshot, CancellationToken cancellationToken) =>
        Task.WhenAll(pool.All.Where(worker => worker.Healthy).Select(worker => EnsureOnAsync(worker, snapshot, cancellationToken)));

    /// <summary>Loads what <paramref name="snapshot"/> wants on one worker and unloads what it no longer wants and nobody uses.</summary>
    public async Task EnsureOnAsync(WorkerState worker, RoutingSnapshot snapshot, CancellationToken cancellationToken)
    {
        var wanted = snapshot.WantedAdapters().Distinct().ToDictionary(w => w.WorkerModel, w => w.Generation, StringComparer.Ordinal);

        // Unloading first makes room where the number of resident adapters is limited.
        foreach (var model in worker.LoadedModels.Keys.Where(model => !wanted.ContainsKey(model) && worker.InFlightOf(model) == 0))
        {
            worker.LoadedModels.TryRemove(model, out _);
            await client.UnloadAdapterAsync(worker, model, cancellationToken);
        }

        foreach (var (model, generation) in wanted)
        {
            await LoadOnAsync(worker, model, generation, cancellationToken);
        }
    }

    /// <summary>
    /// Loads a generation on every healthy worker before traffic is moved to it; null on success, otherwise the first
    /// worker's reason, and traffic must stay where it is.
    /// </summary>
    public async Task<ApiError?> LoadEverywhereAsync(string model, string generation, CancellationToken cancellationToken)
    {
        var workers = pool.All.Where(worker => worker.Healthy).ToList();
        if (workers.Count == 0)
        {
            return ApiError.NoHealthyWorker();
        }

        var errors = await Task.WhenAll(workers.Select(worker => LoadOnAsync(worker, model, generation, cancellationToken)));
        return errors.FirstOrDefault(error => error is not null);
    }

    /// <summary>Loads one generation on one worker unless it is there; null on success.</summary>
    public async Task<ApiError?> LoadOnAsync(WorkerState worker, string model, string generation, CancellationToken cancellationToken)
    {
        await worker.Loading.WaitAsync(cancellationToken);
        try
        {
            if (worker.LoadedModels.ContainsKey(model))
            {
                return null;
            }

            var reply = await client.LoadAdapterAsync(worker, model, folder.AdapterPath(generation), cancellationToken);
            if (reply.Succeeded)
            {
                worker.LoadedModels[model] = generation;
                return null;
            }

            LogLoadFailed(worker.Name, model, reply.Error!.Code, reply.Error.Message);
            return reply.Error;
        }
        finally
        {
            worker.Loading.Release();
        }
    }

    [LoggerMessage(LogLevel.Warning, "Worker {Name} could not load {Model}: {Code}: {Reason}")]
    private partial void LogLoadFailed(string name, string model, string code, string reason);
}
