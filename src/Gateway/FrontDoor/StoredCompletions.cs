using System.Globalization;
using System.Runtime.CompilerServices;
using System.Text.Json;
using System.Text.Json.Serialization;
using Gateway.Domain.Interactions;
using Gateway.Domain.Storage;
using Gateway.Storage;

namespace Gateway.FrontDoor;

/// <summary>A completion that its caller asked to keep: where its record is, and what may change about it.</summary>
/// <param name="Id">The response id.</param>
/// <param name="Model">The deployment.</param>
/// <param name="Metadata">The caller's pairs.</param>
/// <param name="Owner">Whose key asked, or null.</param>
public sealed record StoredCompletion(string Id, string Model, IReadOnlyDictionary<string, string> Metadata, string? Owner = null);

/// <summary>Source-generated JSON of <see cref="StoredCompletion"/>.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower)]
[JsonSerializable(typeof(StoredCompletion))]
internal sealed partial class StoredCompletionJson : JsonSerializerContext;

/// <summary>
/// The completions that callers asked to keep (<c>store</c>): one small document each, in the order of their arrival; the content
/// is the interaction's record and ends with it. Thread-safe.
/// </summary>
public sealed partial class StoredCompletions(IDocumentStore documents, ILogger<StoredCompletions> logger)
{
    /// <summary>Keeps a completion; durable when the call returns. A store that cannot be written is logged: the reply itself is served and recorded.</summary>
    public async ValueTask AddAsync(Interaction interaction)
    {
        var metadata = interaction.Metadata ?? new Dictionary<string, string>(StringComparer.Ordinal);
        try
        {
            // The reply ends with this write, so a client that leaves does not cancel it.
            await WriteAsync(Key(interaction), expectedVersion: null, new(interaction.Id, interaction.Deployment, metadata, interaction.Owner), CancellationToken.None);
        }
        catch (Exception failure) when (failure is IOException or StoreUnavailableException)
        {
            LogNotKept(interaction.Id, failure.Message);
        }
    }

    /// <summary>The kept completion of an interaction, or null.</summary>
    public async Task<StoredCompletion?> FindAsync(Interaction interaction, CancellationToken cancellationToken) =>
        await documents.GetAsync(Collections.StoredCompletions, Key(interaction), cancellationToken) is { } document ? Read(document) : null;

    /// <summary>Replaces the pairs of a kept completion; null when it is not kept.</summary>
    public async Task<StoredCompletion?> UpdateAsync(Interaction interaction, IReadOnlyDictionary<string, string> metadata, CancellationToken cancellationToken)
    {
        var key = Key(interaction);
        while (await documents.GetAsync(Collections.StoredCompletions, key, cancellationToken) is { } document)
        {
            var changed = Read(document) with { Metadata = metadata };
            if (await WriteAsync(key, document.Version, changed, cancellationToken))
            {
                return changed;
            }
        }

        return null;
    }

    /// <summary>Forgets a kept completion; false when it is not kept.</summary>
    public async Task<bool> RemoveAsync(Interaction interaction, CancellationToken cancellationToken)
    {
        var key = Key(interaction);
        while (await documents.GetAsync(Collections.StoredCompletions, key, cancellationToken) is { } document)
        {
            if ((await documents.CommitAsync([new(Collections.StoredCompletions, key, document.Version, null)], cancellationToken)).Committed)
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>All kept completions, oldest first.</summary>
    public async IAsyncEnumerable<StoredCompletion> ListAsync([EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await foreach (var document in documents.ListAsync(Collections.StoredCompletions, "", cancellationToken))
        {
            yield return Read(document);
        }
    }

    private async Task<bool> WriteAsync(string key, long? expectedVersion, StoredCompletion completion, CancellationToken cancellationToken)
    {
        var json = JsonSerializer.SerializeToUtf8Bytes(completion, StoredCompletionJson.Default.StoredCompletion);
        return (await documents.CommitAsync([new(Collections.StoredCompletions, key, expectedVersion, json)], cancellationToken)).Committed;
    }

    private static StoredCompletion Read(Document document) => JsonSerializer.Deserialize(document.Json.Span, StoredCompletionJson.Default.StoredCompletion)!;

    private static string Key(Interaction interaction) =>
        string.Create(CultureInfo.InvariantCulture, $"{interaction.CreatedAt.ToUnixTimeMilliseconds():D14}/{interaction.Id}");

    [LoggerMessage(LogLevel.Error, "Completion {Id} could not be kept: {Failure}")]
    private partial void LogNotKept(string id, string failure);
}
