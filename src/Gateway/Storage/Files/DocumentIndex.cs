using System.Collections.Immutable;
using Gateway.Domain.Storage;

namespace Gateway.Storage.Files;

/// <summary>
/// All documents in memory, ordered by key within their collection. Immutable: a writer builds the next one, readers keep
/// the one they took.
/// </summary>
internal sealed class DocumentIndex
{
    private static readonly Comparer<Document> ByKey =
        Comparer<Document>.Create((left, right) => string.CompareOrdinal(left.Key, right.Key));

    private static readonly ImmutableSortedSet<Document> NoDocuments = ImmutableSortedSet.Create<Document>(ByKey);

    private readonly ImmutableDictionary<string, ImmutableSortedSet<Document>> collections;

    private DocumentIndex(ImmutableDictionary<string, ImmutableSortedSet<Document>> collections, long liveBytes)
    {
        this.collections = collections;
        LiveBytes = liveBytes;
    }

    /// <summary>About how many bytes of log the documents need.</summary>
    public long LiveBytes { get; }

    public IEnumerable<Document> All => collections.Values.SelectMany(documents => documents);

    /// <summary>The index of these documents.</summary>
    public static DocumentIndex Of(IReadOnlyCollection<Document> documents) => new(
        documents.GroupBy(document => document.Collection, StringComparer.Ordinal)
            .ToImmutableDictionary(group => group.Key, group => group.ToImmutableSortedSet(ByKey), StringComparer.Ordinal),
        documents.Sum(document => (long)Size(document)));

    public Document? Find(string collection, string key) =>
        collections.TryGetValue(collection, out var documents) && documents.TryGetValue(Probe(collection, key), out var found) ? found : null;

    public IEnumerable<Document> WithPrefix(string collection, string prefix)
    {
        if (!collections.TryGetValue(collection, out var documents))
        {
            yield break;
        }

        var first = documents.IndexOf(Probe(collection, prefix));
        for (var i = first < 0 ? ~first : first; i < documents.Count; i++)
        {
            var document = documents[i];
            if (!document.Key.StartsWith(prefix, StringComparison.Ordinal))
            {
                yield break;
            }

            yield return document;
        }
    }

    public DocumentIndex With(Document document)
    {
        var without = Without(document.Collection, document.Key);
        var documents = without.collections.GetValueOrDefault(document.Collection, NoDocuments).Add(document);
        return new(without.collections.SetItem(document.Collection, documents), without.LiveBytes + Size(document));
    }

    public DocumentIndex Without(string collection, string key) =>
        Find(collection, key) is { } found
            ? new(collections.SetItem(collection, collections[collection].Remove(found)), LiveBytes - Size(found))
            : this;

    private static Document Probe(string collection, string key) => new(collection, key, 0, default);

    private static int Size(Document document) => 40 + document.Collection.Length + document.Key.Length + document.Json.Length;
}
