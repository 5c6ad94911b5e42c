namespace Gateway.Domain.NearDuplicates;

/// <summary>Groups texts that are linked by chains of near duplicates.</summary>
public static class NearDuplicateClusters
{
    /// <summary>For each text the position of the first text of its cluster.</summary>
    public static int[] Find(IReadOnlyList<string> texts) => Find(texts.Select(ShingleSet.Of).ToArray());

    /// <summary>As <see cref="Find(IReadOnlyList{string})"/> for shingle sets.</summary>
    public static int[] Find(IReadOnlyList<ShingleSet> sets)
    {
        var parents = Enumerable.Range(0, sets.Count).ToArray();
        var index = new NearDuplicateIndex();
        var positions = new List<int>();
        var exact = new Dictionary<string, int>(StringComparer.Ordinal);
        for (var i = 0; i < sets.Count; i++)
        {
            // Equal sets are joined here, so that a text repeated a thousand times costs a thousand look-ups, not a million.
            if (!exact.TryAdd(FrozenSplit.ClusterKey(sets[i]), i))
            {
                Join(i, exact[FrozenSplit.ClusterKey(sets[i])]);
                continue;
            }

            foreach (var match in index.Find(sets[i]))
            {
                Join(i, positions[match]);
            }

            index.Add(sets[i]);
            positions.Add(i);
        }

        return [.. parents.Select((_, i) => Root(i))];

        // The smaller position becomes the root, so the result does not depend on the order of joins.
        void Join(int a, int b)
        {
            var (first, second) = (Root(a), Root(b));
            parents[Math.Max(first, second)] = Math.Min(first, second);
        }

        int Root(int i)
        {
            while (parents[i] != i)
            {
                i = parents[i] = parents[parents[i]];
            }

            return i;
        }
    }
}
