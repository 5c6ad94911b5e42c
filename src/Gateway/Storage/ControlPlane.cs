using System.Globalization;
using System.Text.Json;
using Gateway.Domain.Audit;
using Gateway.Domain.Json;
using Gateway.Domain.Storage;

namespace Gateway.Storage;

/// <summary>What a control change comes to: the writes that make it (none: nothing happens, nothing is audited) and the caller's result.</summary>
public readonly record struct ControlDecision<T>(IReadOnlyList<DocumentWrite> Writes, T Result);

/// <summary>
/// Applies control changes together with their audit entry: both are durable when the call returns, or neither happened.
/// Thread-safe, and safe between processes on one store.
/// </summary>
public sealed class ControlPlane(IDocumentStore store, TimeProvider clock) : IDisposable
{
    private const string Head = "head";
    private const int Attempts = 100;
    private readonly SemaphoreSlim turn = new(1);

    /// <summary>
    /// 1. <paramref name="decide"/> reads what it needs and returns writes with expected versions; 2. the next audit entry
    /// is linked to the head; 3. all commit at once. When the head moved, steps 2 and 3 repeat; when one of the caller's
    /// expectations failed, step 1 too, so <paramref name="decide"/> must be free of side effects. Returns its last result.
    /// </summary>
    /// <param name="actor">Who or what acts.</param>
    /// <param name="action"><c>noun.verb</c>.</param>
    /// <param name="subject">Key of the thing acted on.</param>
    /// <param name="reason">Why, and the numbers behind it.</param>
    /// <param name="decide">Reads and decides.</param>
    /// <param name="cancellationToken">Ends waiting and retrying.</param>
    /// <exception cref="StoreUnavailableException">Others changed the same documents in every one of 100 attempts.</exception>
    public async Task<T> ApplyAsync<T>(
        string actor,
        string action,
        string subject,
        string reason,
        Func<CancellationToken, Task<ControlDecision<T>>> decide,
        CancellationToken cancellationToken)
    {
        await turn.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            var decision = await decide(cancellationToken).ConfigureAwait(false);
            for (var attempt = 0; attempt < Attempts && decision.Writes.Count > 0; attempt++)
            {
                var audit = await NextEntryAsync(actor, action, subject, reason, cancellationToken).ConfigureAwait(false);
                var result = await store.CommitAsync([.. decision.Writes, .. audit], cancellationToken).ConfigureAwait(false);
                if (result.Committed)
                {
                    return decision.Result;
                }

                if (result.Conflict!.Collection != Collections.Audit)
                {
                    decision = await decide(cancellationToken).ConfigureAwait(false);
                }
            }

            return decision.Writes.Count == 0
                ? decision.Result
                : throw new StoreUnavailableException($"'{action}' on '{subject}' met a concurrent change {Attempts} times: try again in a moment");
        }
        finally
        {
            turn.Release();
        }
    }

    /// <summary>The trail from a sequence on, oldest first.</summary>
    public async IAsyncEnumerable<AuditEntry> ReadAuditAsync(
        long from, [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var head = await store.GetAsync(Collections.Audit, Head, cancellationToken).ConfigureAwait(false);
        var last = head is null ? 0 : Read(head).Sequence;
        for (var sequence = Math.Max(1, from); sequence <= last; sequence++)
        {
            if (await store.GetAsync(Collections.Audit, Key(sequence), cancellationToken).ConfigureAwait(false) is { } document)
            {
                yield return Read(document);
            }
        }
    }

    /// <inheritdoc/>
    public void Dispose() => turn.Dispose();

    private static string Key(long sequence) => sequence.ToString("D20", CultureInfo.InvariantCulture);

    private static AuditEntry Read(Document document) =>
        JsonSerializer.Deserialize(document.Json.Span, DomainJson.Default.AuditEntry)
            ?? throw new JsonException($"The audit entry '{document.Key}' is the JSON null; restore the store from a backup.");

    private async Task<DocumentWrite[]> NextEntryAsync(
        string actor, string action, string subject, string reason, CancellationToken cancellationToken)
    {
        var head = await store.GetAsync(Collections.Audit, Head, cancellationToken).ConfigureAwait(false);
        var entry = AuditChain.Next(head is null ? null : Read(head), clock.GetUtcNow(), actor, action, subject, reason);
        var json = JsonSerializer.SerializeToUtf8Bytes(entry, DomainJson.Default.AuditEntry);
        return
        [
            new DocumentWrite(Collections.Audit, Head, head?.Version ?? 0, json),
            new DocumentWrite(Collections.Audit, Key(entry.Sequence), 0, json),
        ];
    }
}
