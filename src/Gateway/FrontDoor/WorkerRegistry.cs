using System.Text.Json;
using Gateway.Api.Wire;
using Gateway.Domain.Json;
using Gateway.Domain.Routing;
using Gateway.Domain.Storage;
using Gateway.Storage;

namespace Gateway.FrontDoor;

/// <summary>A worker after a change, or the error that kept it as it was.</summary>
public readonly record struct WorkerChange(WorkerState? Worker, ApiError? Error);

/// <summary>
/// The workers that operators add, drain and remove while the gateway runs: audited records in the store, which the pool of
/// every front door follows. Thread-safe.
/// </summary>
public sealed class WorkerRegistry(WorkerPool pool, IDocumentStore documents, ControlPlane control, TimeProvider clock) : IDisposable
{
    private readonly SemaphoreSlim _refreshing = new(1);

    /// <summary>Brings the pool in line with the store; a worker that stays keeps its state.</summary>
    public async Task RefreshAsync(CancellationToken cancellationToken)
    {
        await _refreshing.WaitAsync(cancellationToken);
        try
        {
            var records = new Dictionary<string, WorkerRecord>(StringComparer.Ordinal);
            await foreach (var document in documents.ListAsync(Collections.Workers, "", cancellationToken))
            {
                records[document.Key] = JsonSerializer.Deserialize(document.Json.Span, DomainJson.Default.WorkerRecord)!;
            }

            var known = pool.All.ToDictionary(worker => worker.Name, StringComparer.Ordinal);
            var added = records.Values
                .Where(record => pool.Configured.All(worker => worker.Name != record.Name))
                .Select(record => known.TryGetValue(record.Name, out var worker) && worker.Address == record.Url ? worker : new WorkerState(record.Name, record.Url));
            var workers = pool.Configured.Concat(added).ToList();
            foreach (var worker in workers)
            {
                var record = records.GetValueOrDefault(worker.Name);
                worker.Draining = record?.Draining ?? false;
                worker.AdapterRoot = record?.AdapterRoot ?? worker.AdapterRoot;
            }

            pool.Replace(workers);
        }
        finally
        {
            _refreshing.Release();
        }
    }

    /// <summary>Adds a worker; it takes traffic when it answers and has the adapters it needs.</summary>
    public Task<WorkerChange> AddAsync(string name, Uri url, string? adapterRoot, string actor, string reason, CancellationToken cancellationToken) => ChangeAsync(
        "worker.add", name, actor, reason,
        current => current is not null || pool.All.Any(worker => worker.Name == name || worker.Address == url)
            ? (null, ApiError.Conflict("worker_exists", $"A worker '{name}' or one with its address exists already: choose another name, or remove that one first.", "name"))
            : (new WorkerRecord { Name = name, Url = url, AdapterRoot = adapterRoot, AddedAt = clock.GetUtcNow() }, null),
        cancellationToken);

    /// <summary>Keeps new requests away from a worker, or lets them go to it again.</summary>
    public Task<WorkerChange> DrainAsync(string name, bool draining, string actor, string reason, CancellationToken cancellationToken) => ChangeAsync(
        draining ? "worker.drain" : "worker.resume", name, actor, reason,
        current =>
            current is not null ? (current with { Draining = draining }, null)
            : pool.Configured.FirstOrDefault(worker => worker.Name == name) is { } configured
                ? (new WorkerRecord { Name = name, Url = configured.Address, Draining = draining, AddedAt = clock.GetUtcNow() }, null)
                : (null, ApiError.NotFound("worker", name)),
        cancellationToken);

    /// <summary>Removes a worker that was added by a call; requests under way on it end where they are.</summary>
    public Task<WorkerChange> RemoveAsync(string name, string actor, string reason, CancellationToken cancellationToken) => ChangeAsync(
        "worker.remove", name, actor, reason,
        current =>
            pool.Configured.Any(worker => worker.Name == name)
                ? (null, ApiError.Conflict("worker_configured", $"The worker '{name}' is named at the start: drain it, and start without it.", "name"))
                : (null, current is null ? ApiError.NotFound("worker", name) : null),
        cancellationToken);

    /// <inheritdoc/>
    public void Dispose() => _refreshing.Dispose();

    // The record as it becomes (null without an error removes it), or the error that keeps it as it is.
    private async Task<WorkerChange> ChangeAsync(
        string action, string name, string actor, string reason, Func<WorkerRecord?, (WorkerRecord? Next, ApiError? Error)> change, CancellationToken cancellationToken)
    {
        var before = pool.All.FirstOrDefault(worker => worker.Name == name);
        var error = await control.ApplyAsync(
            actor, action, name, reason,
            async token =>
            {
                var document = await documents.GetAsync(Collections.Workers, name, token);
                var (next, refusal) = change(document is null ? null : JsonSerializer.Deserialize(document.Json.Span, DomainJson.Default.WorkerRecord));
                if (refusal is not null)
                {
                    return new ControlDecision<ApiError?>([], refusal);
                }

                var json = next is null ? (ReadOnlyMemory<byte>?)null : JsonSerializer.SerializeToUtf8Bytes(next, DomainJson.Default.WorkerRecord);
                return new([new(Collections.Workers, name, document?.Version ?? 0, json)], null);
            },
            cancellationToken);
        if (error is not null)
        {
            return new(null, error);
        }

        // A change that is durable takes effect even when its caller has gone.
        await RefreshAsync(CancellationToken.None);
        return new(pool.All.FirstOrDefault(worker => worker.Name == name) ?? before, null);
    }
}
