using System.Collections.Concurrent;
using System.Text.RegularExpressions;
using Gateway.Api.Wire;
using Gateway.Hosting;

namespace Gateway.FrontDoor;

/// <summary>
/// Keeps the adapters that traffic may need loaded on the workers, under names that are never reused for another
/// generation, and unloads what nothing needs any more. Thread-safe.
/// </summary>
public sealed partial class WorkerAdapters(WorkerPool pool, WorkerClient client, DataFolder folder, TimeProvider clock, ILogger<WorkerAdapters> logger)
{
    // Between loading for a change of traffic and the change itself, no deployment names the adapter yet.
    private static readonly TimeSpan PendingTime = TimeSpan.FromMinutes(5);

    // A worker loads one adapter at a time and does not queue; another front door may be at it.
    private const int BusyAttempts = 50;
    private static readonly TimeSpan BusyWait = TimeSpan.FromMilliseconds(200);

    private readonly ConcurrentDictionary<string, DateTimeOffset> _pending = new(StringComparer.Ordinal);

    /// <summary>Brings every healthy worker in line with <paramref name="snapshot"/>.</summary>
    public Task EnsureAsync(RoutingSnapshot snapshot, CancellationToken cancellationToken) =>
        Task.WhenAll(pool.All.Where(worker => worker.Healthy).Select(worker => EnsureOnAsync(worker, snapshot, cancellationToken)));

    /// <summary>
    /// Takes over a worker that came up: what it has loaded is believed, because names are never reused; what is left from
    /// before and not wanted goes, what is missing comes.
    /// </summary>
    public async Task AdoptAsync(WorkerState worker, WorkerFacts facts, RoutingSnapshot snapshot, CancellationToken cancellationToken)
    {
        var wanted = Wanted(snapshot);
        worker.LoadedModels.Clear();
        foreach (var model in facts.Adapters)
        {
            if (wanted.TryGetValue(model, out var generation))
            {
                worker.LoadedModels[model] = generation;
            }
            else if (VersionedName().IsMatch(model) && !_pending.ContainsKey(model))
            {
                await client.UnloadAdapterAsync(worker, model, cancellationToken);
            }
        }

        await EnsureOnAsync(worker, snapshot, cancellationToken);
    }

    /// <summary>
    /// Loads a generation on every worker that takes requests before traffic is moved to it; null on success, otherwise the first
    /// worker's reason, and traffic must stay where it is.
    /// </summary>
    public async Task<ApiError?> LoadEverywhereAsync(string model, string generation, CancellationToken cancellationToken)
    {
        var workers = pool.All.Where(worker => worker.Available).ToList();
        if (workers.Count == 0)
        {
            return ApiError.NoHealthyWorker();
        }

        _pending[model] = clock.GetUtcNow() + PendingTime;
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

            var path = worker.AdapterRoot is { } root ? $"{root.TrimEnd('/')}/{generation}" : folder.AdapterPath(generation);
            var reply = await client.LoadAdapterAsync(worker, model, path, generation, cancellationToken);
            for (var attempt = 1; reply.Status == StatusCodes.Status429TooManyRequests && attempt < BusyAttempts; attempt++)
            {
                await Task.Delay(BusyWait, clock, cancellationToken);
                reply = await client.LoadAdapterAsync(worker, model, path, generation, cancellationToken);
            }

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

    private async Task EnsureOnAsync(WorkerState worker, RoutingSnapshot snapshot, CancellationToken cancellationToken)
    {
        var wanted = Wanted(snapshot);

        // Unloading first makes room where the number of resident adapters is limited.
        foreach (var model in worker.LoadedModels.Keys.Where(model => !wanted.ContainsKey(model) && worker.InFlightOf(model) == 0 && !_pending.ContainsKey(model)))
        {
            worker.LoadedModels.TryRemove(model, out _);
            await client.UnloadAdapterAsync(worker, model, cancellationToken);
        }

        foreach (var (model, generation) in wanted)
        {
            await LoadOnAsync(worker, model, generation, cancellationToken);
        }
    }

    private Dictionary<string, string> Wanted(RoutingSnapshot snapshot)
    {
        var wanted = snapshot.WantedAdapters().Distinct().ToDictionary(w => w.WorkerModel, w => w.Generation, StringComparer.Ordinal);
        var now = clock.GetUtcNow();
        foreach (var (model, until) in _pending)
        {
            if (until < now || wanted.ContainsKey(model))
            {
                _pending.TryRemove(new(model, until));
            }
        }

        return wanted;
    }

    [GeneratedRegex("--[0-9a-f]{12}\\z", RegexOptions.CultureInvariant)]
    private static partial Regex VersionedName();

    [LoggerMessage(LogLevel.Warning, "Worker {Name} could not load {Model}: {Code}: {Reason}")]
    private partial void LogLoadFailed(string name, string model, string code, string reason);
}
