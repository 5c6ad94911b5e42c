using System.Text.Json;
using Gateway.Domain.Json;
using Gateway.Domain.Keys;
using Gateway.Domain.Storage;

namespace Gateway.Security;

/// <summary>
/// The keys as this process knows them: a request costs a hash and a look-up, never a call to the store. Refreshes are
/// serialised. Thread-safe.
/// </summary>
public sealed class KeyRing(IDocumentStore documents, string? operatorKey) : IDisposable
{
    private readonly SemaphoreSlim _refreshing = new(1);
    private volatile KeySnapshot _current = new([], operatorKey);

    /// <summary>The snapshot of the newest refresh.</summary>
    internal KeySnapshot Current => _current;

    /// <summary>Reads the store; when the task completes, requests that start follow it.</summary>
    public async Task RefreshAsync(CancellationToken cancellationToken)
    {
        await _refreshing.WaitAsync(cancellationToken);
        try
        {
            var keys = new List<ApiKey>();
            await foreach (var document in documents.ListAsync(Collections.Keys, "", cancellationToken))
            {
                keys.Add(JsonSerializer.Deserialize(document.Json.Span, DomainJson.Default.ApiKey)!);
            }

            _current = new KeySnapshot(keys, operatorKey);
        }
        finally
        {
            _refreshing.Release();
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _refreshing.Dispose();
}
