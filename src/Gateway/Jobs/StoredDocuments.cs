using System.Runtime.CompilerServices;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Gateway.Domain.Storage;

namespace Gateway.Jobs;

/// <summary>A document read as its type, with the version to expect when it is written back.</summary>
internal readonly record struct Stored<T>(T Value, long Version);

/// <summary>Reads and writes documents as their types.</summary>
internal static class StoredDocuments
{
    /// <summary>The document, or null.</summary>
    public static async Task<Stored<T>?> FindAsync<T>(
        this IDocumentStore documents, string collection, string key, JsonTypeInfo<T> type, CancellationToken cancellationToken) =>
        await documents.GetAsync(collection, key, cancellationToken) is { } document ? Read(document, type) : null;

    /// <summary>Every document whose key starts with <paramref name="prefix"/>, in key order.</summary>
    public static async IAsyncEnumerable<Stored<T>> ReadAllAsync<T>(
        this IDocumentStore documents, string collection, string prefix, JsonTypeInfo<T> type,
        [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await foreach (var document in documents.ListAsync(collection, prefix, cancellationToken))
        {
            yield return Read(document, type);
        }
    }

    /// <summary>The write of <paramref name="value"/> at an expected version; 0 = it must not exist.</summary>
    public static DocumentWrite Write<T>(string collection, string key, T value, JsonTypeInfo<T> type, long? expectedVersion) =>
        new(collection, key, expectedVersion, JsonSerializer.SerializeToUtf8Bytes(value, type));

    private static Stored<T> Read<T>(Document document, JsonTypeInfo<T> type) =>
        new(JsonSerializer.Deserialize(document.Json.Span, type)
            ?? throw new JsonException($"The document '{document.Collection}/{document.Key}' is the JSON null; restore the store from a backup."), document.Version);
}
