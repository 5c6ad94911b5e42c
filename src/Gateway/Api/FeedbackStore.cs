using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Gateway.Domain.Interactions;
using Gateway.Domain.Json;
using Gateway.Domain.Storage;
using Gateway.Records;

namespace Gateway.Api;

/// <summary>What an idempotency key was used for.</summary>
internal sealed record IdempotencyRecord(string BodyHash, string FeedbackKey);

/// <summary>Feedback as it is stored now; a repeat is the item of the first call, a conflict stored nothing.</summary>
public readonly record struct StoredFeedback(Feedback Feedback, bool IsRepeat, bool Conflicts);

/// <summary>
/// Feedback in the document store: an item, its id and its idempotency key are one commit, durable when a call returns.
/// Thread-safe, and safe between processes.
/// </summary>
public sealed class FeedbackStore(IDocumentStore documents, RecordOptions options, TimeProvider clock)
{
    /// <summary>Adds an item, or finds the one added before with the same key and body.</summary>
    /// <param name="item">The item.</param>
    /// <param name="idempotencyKey">The caller's key; empty for none.</param>
    /// <param name="canonicalBody">The request's body in canonical JSON, to tell a repeat from a misused key.</param>
    /// <param name="cancellationToken">Ends waiting.</param>
    public async Task<StoredFeedback> AddAsync(Feedback item, string idempotencyKey, string canonicalBody, CancellationToken cancellationToken)
    {
        item = options.Redact ? Redactor.Redact(item) : item;
        var key = DocumentKeys.Feedback(item.ResponseId, item.Id);
        var bodyHash = Hash(canonicalBody);
        var writes = new List<DocumentWrite>
        {
            new(Collections.Feedback, key, ExpectedVersion: 0, JsonSerializer.SerializeToUtf8Bytes(item, DomainJson.Default.Feedback)),
            new(Collections.FeedbackIds, item.Id, ExpectedVersion: 0, Encoding.UTF8.GetBytes($"\"{key}\"")),
        };
        if (idempotencyKey.Length == 0)
        {
            await documents.CommitAsync(writes, cancellationToken);
            return new(item, IsRepeat: false, Conflicts: false);
        }

        var record = new IdempotencyRecord(bodyHash, key);
        writes.Add(new(Collections.Idempotency, Hash(idempotencyKey), ExpectedVersion: 0, JsonSerializer.SerializeToUtf8Bytes(record, ApiJson.Default.IdempotencyRecord)));
        if ((await documents.CommitAsync(writes, cancellationToken)).Committed)
        {
            return new(item, IsRepeat: false, Conflicts: false);
        }

        // The key was used before, and keys are never deleted.
        var used = (await documents.GetAsync(Collections.Idempotency, Hash(idempotencyKey), cancellationToken))!;
        var first = JsonSerializer.Deserialize(used.Json.Span, ApiJson.Default.IdempotencyRecord)!;
        var stored = await documents.GetAsync(Collections.Feedback, first.FeedbackKey, cancellationToken);
        return first.BodyHash != bodyHash || stored is null
            ? new(item, IsRepeat: false, Conflicts: true)
            : new(Read(stored), IsRepeat: true, Conflicts: false);
    }

    /// <summary>All feedback on a reply, retracted items included.</summary>
    public async Task<IReadOnlyList<Feedback>> ListAsync(string responseId, CancellationToken cancellationToken)
    {
        var items = new List<Feedback>();
        await foreach (var document in documents.ListAsync(Collections.Feedback, responseId + "/", cancellationToken))
        {
            items.Add(Read(document));
        }

        return items;
    }

    /// <summary>The id of the reply that an item rates, or null when there is no such item.</summary>
    public async Task<string?> ResponseOfAsync(string id, CancellationToken cancellationToken)
    {
        if (await documents.GetAsync(Collections.FeedbackIds, id, cancellationToken) is not { } reference)
        {
            return null;
        }

        using var key = JsonDocument.Parse(reference.Json);
        return key.RootElement.GetString()!.Split('/')[0];
    }

    /// <summary>Marks an item as retracted; a repeat changes nothing. False when there is no such item.</summary>
    public async Task<bool> RetractAsync(string id, CancellationToken cancellationToken)
    {
        if (await documents.GetAsync(Collections.FeedbackIds, id, cancellationToken) is not { } reference)
        {
            return false;
        }

        using var key = JsonDocument.Parse(reference.Json);
        while (await documents.GetAsync(Collections.Feedback, key.RootElement.GetString()!, cancellationToken) is { } document)
        {
            var item = Read(document);
            if (item.RetractedAt is not null)
            {
                return true;
            }

            var json = JsonSerializer.SerializeToUtf8Bytes(item with { RetractedAt = clock.GetUtcNow() }, DomainJson.Default.Feedback);
            if ((await documents.CommitAsync([new(Collections.Feedback, document.Key, document.Version, json)], cancellationToken)).Committed)
            {
                return true;
            }
        }

        return false;
    }

    private static Feedback Read(Document document) => JsonSerializer.Deserialize(document.Json.Span, DomainJson.Default.Feedback)!;

    private static string Hash(string text) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text)));
}
