using System.Globalization;
using System.Text.Json;
using Gateway.Domain.Storage;
using Gateway.Records;
using Gateway.Security;
using Gateway.Storage;

namespace Gateway.Responses;

/// <summary>
/// The responses that are kept, shared by all gateways on the store. Each has an entry by the time it ends, for the sweep, and,
/// unless it begins a conversation, one below the conversation's first. Thread-safe.
/// </summary>
internal sealed class StoredResponses(IDocumentStore documents, ResponseIdSigner ids, ResponseOptions options, RecordOptions records, TimeProvider clock)
{
    private static readonly ReadOnlyMemory<byte> Nothing = "{}"u8.ToArray();

    /// <summary>When a response of a deployment ends that is made, or continued, now. Whole days, so that a conversation seldom moves it.</summary>
    public DateTimeOffset ExpiryOf(string deployment, DateTimeOffset createdAt)
    {
        var until = clock.GetUtcNow() + options.KeepFor;
        var day = new DateTimeOffset(until.UtcDateTime.Date, TimeSpan.Zero);
        return AtMost(deployment, createdAt, day == until ? day : day.AddDays(1));
    }

    /// <summary>The response when it is there and <paramref name="caller"/> may see it, else null.</summary>
    public async ValueTask<StoredResponse?> FindAsync(string id, Caller caller, CancellationToken cancellationToken) =>
        await FindAsync(id, cancellationToken) is { } found && found.ExpiresAt > clock.GetUtcNow() && caller.MaySee(found.Owner) ? found : null;

    /// <summary>Keeps a response and, as long as it, those it continues. Durable when the task completes.</summary>
    /// <exception cref="StoreUnavailableException">The store cannot be written.</exception>
    public async Task AddAsync(StoredResponse response, IReadOnlyList<StoredResponse> ancestors, CancellationToken cancellationToken)
    {
        var writes = new List<DocumentWrite>
        {
            Put(response, expectedVersion: null),
            new(Collections.ResponseExpiries, ExpiryKey(response), null, Nothing),
        };
        if (response.Root != response.Id)
        {
            writes.Add(new(Collections.ResponseTrees, TreeKey(response), null, Nothing));
        }

        await documents.CommitAsync(writes, cancellationToken);
        foreach (var ancestor in ancestors)
        {
            await ExtendAsync(ancestor, AtMost(ancestor.Deployment, ancestor.CreatedAt, response.ExpiresAt), cancellationToken);
        }
    }

    /// <summary>Removes a response with its items; false when it is not there.</summary>
    public async Task<bool> RemoveAsync(string id, CancellationToken cancellationToken)
    {
        if (await FindAsync(id, cancellationToken) is not { } response)
        {
            return false;
        }

        // An expiry that moves meanwhile leaves an entry behind that the sweep finds empty.
        await documents.CommitAsync(
            [
                new(Collections.Responses, id, null, null),
                new(Collections.ResponseExpiries, ExpiryKey(response), null, null),
                new(Collections.ResponseTrees, TreeKey(response), null, null),
            ],
            cancellationToken);
        return true;
    }

    /// <summary>The ids of all responses of a response's conversation, forks included; empty when it is not there.</summary>
    public async Task<IReadOnlyList<string>> TreeAsync(string id, CancellationToken cancellationToken)
    {
        if (await FindAsync(id, cancellationToken) is not { } response)
        {
            return [];
        }

        var tree = new List<string> { response.Root };
        await foreach (var document in documents.ListAsync(Collections.ResponseTrees, response.Root + "/", cancellationToken))
        {
            tree.Add(document.Key[(response.Root.Length + 1)..]);
        }

        return tree;
    }

    /// <summary>Removes the responses whose time is over; returns how many.</summary>
    public async Task<int> ExpireAsync(CancellationToken cancellationToken)
    {
        var now = clock.GetUtcNow();
        var over = new List<string>();
        await foreach (var document in documents.ListAsync(Collections.ResponseExpiries, "", cancellationToken))
        {
            if (long.Parse(document.Key.AsSpan(0, document.Key.IndexOf('/', StringComparison.Ordinal)), CultureInfo.InvariantCulture) > now.ToUnixTimeMilliseconds())
            {
                break;
            }

            over.Add(document.Key);
        }

        var removed = 0;
        foreach (var key in over)
        {
            var id = key[(key.IndexOf('/', StringComparison.Ordinal) + 1)..];
            if (await FindAsync(id, cancellationToken) is { } found && found.ExpiresAt <= now && await RemoveAsync(id, cancellationToken))
            {
                removed++;
            }

            await documents.CommitAsync([new(Collections.ResponseExpiries, key, null, null)], cancellationToken);
        }

        return removed;
    }

    private async ValueTask<StoredResponse?> FindAsync(string id, CancellationToken cancellationToken) =>
        id.StartsWith(ResponseIdSigner.Response, StringComparison.Ordinal) && ids.Verify(id)
            && await documents.GetAsync(Collections.Responses, id, cancellationToken) is { } document
            ? Read(document)
            : null;

    private async Task ExtendAsync(StoredResponse response, DateTimeOffset until, CancellationToken cancellationToken)
    {
        while (response.ExpiresAt < until && await documents.GetAsync(Collections.Responses, response.Id, cancellationToken) is { } document)
        {
            response = Read(document);
            if (response.ExpiresAt >= until)
            {
                return;
            }

            var extended = response with { ExpiresAt = until };
            var done = await documents.CommitAsync(
                [
                    Put(extended, document.Version),
                    new(Collections.ResponseExpiries, ExpiryKey(response), null, null),
                    new(Collections.ResponseExpiries, ExpiryKey(extended), null, Nothing),
                ],
                cancellationToken);
            if (done.Committed)
            {
                return;
            }
        }
    }

    private DateTimeOffset AtMost(string deployment, DateTimeOffset createdAt, DateTimeOffset until) =>
        records.RetentionFor(deployment) is { } retention && createdAt + retention < until ? createdAt + retention : until;

    private static DocumentWrite Put(StoredResponse response, long? expectedVersion) =>
        new(Collections.Responses, response.Id, expectedVersion, JsonSerializer.SerializeToUtf8Bytes(response, StoredResponseJson.Stored.StoredResponse));

    private static StoredResponse Read(Document document) => JsonSerializer.Deserialize(document.Json.Span, StoredResponseJson.Stored.StoredResponse)!;

    private static string TreeKey(StoredResponse response) => $"{response.Root}/{response.Id}";

    private static string ExpiryKey(StoredResponse response) =>
        string.Create(CultureInfo.InvariantCulture, $"{response.ExpiresAt.ToUnixTimeMilliseconds():D14}/{response.Id}");
}
