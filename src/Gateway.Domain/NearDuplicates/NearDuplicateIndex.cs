using System.Runtime.InteropServices;

namespace Gateway.Domain.NearDuplicates;

/// <summary>
/// Finds earlier texts that are nearly the same as a new one: MinHash bands give candidates, their true Jaccard similarity
/// decides. Grows by <see cref="Add"/>; not thread-safe.
/// </summary>
public sealed class NearDuplicateIndex
{
    /// <summary>Similarity from which two texts count as near duplicates.</summary>
    public const double Threshold = 0.7;

    private readonly List<ShingleSet> _sets = [];
    private readonly Dictionary<ulong, List<int>> _buckets = [];

    /// <summary>Number of texts added.</summary>
    public int Count => _sets.Count;

    /// <summary>Adds a text and returns its number, counting from 0.</summary>
    public int Add(ShingleSet text)
    {
        var number = _sets.Count;
        _sets.Add(text);
        foreach (var key in text.BandKeys)
        {
            (CollectionsMarshal.GetValueRefOrAddDefault(_buckets, key, out _) ??= []).Add(number);
        }

        return number;
    }

    /// <summary>The numbers of the added texts whose similarity to <paramref name="text"/> is at least the threshold, rising.</summary>
    public IReadOnlyList<int> Find(ShingleSet text) => [.. Candidates(text).Where(number => _sets[number].Jaccard(text) >= Threshold)];

    /// <summary>The numbers of the added texts that share a band with <paramref name="text"/>, rising.</summary>
    internal IEnumerable<int> Candidates(ShingleSet text)
    {
        var found = new SortedSet<int>();
        foreach (var key in text.BandKeys)
        {
            if (_buckets.TryGetValue(key, out var bucket))
            {
                found.UnionWith(bucket);
            }
        }

        return found;
    }
}
