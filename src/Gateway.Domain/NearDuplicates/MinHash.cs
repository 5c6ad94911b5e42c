namespace Gateway.Domain.NearDuplicates;

/// <summary>
/// MinHash signatures (Broder 1997): the share of equal entries of two signatures estimates the Jaccard similarity of their
/// sets. 112 permutations h ↦ (a·h + b) mod (2⁶¹ − 1), fixed for ever.
/// </summary>
public static class MinHash
{
    /// <summary>Bands of a signature; two sets are candidates when any band is equal.</summary>
    public const int Bands = 14;

    /// <summary>Rows of a band; with 14 × 8 half of the pairs at similarity ≈ 0.69 become candidates.</summary>
    public const int Rows = 8;

    private const ulong Prime = (1UL << 61) - 1;

    private static readonly (ulong A, ulong B)[] Permutations = CreatePermutations();

    /// <summary>The 112 minima of <paramref name="set"/>; of an empty set, all the largest value.</summary>
    public static ulong[] Signature(ShingleSet set)
    {
        var reduced = new ulong[set.Hashes.Length];
        for (var i = 0; i < reduced.Length; i++)
        {
            reduced[i] = set.Hashes[i] % Prime;
        }

        var signature = new ulong[Bands * Rows];
        for (var i = 0; i < signature.Length; i++)
        {
            var (a, b) = Permutations[i];
            var smallest = Prime;
            foreach (var hash in reduced)
            {
                smallest = Math.Min(smallest, Permute(a, b, hash));
            }

            signature[i] = smallest;
        }

        return signature;
    }

    /// <summary>The bucket of each band of <paramref name="signature"/>.</summary>
    internal static ulong[] BandKeys(ulong[] signature)
    {
        var keys = new ulong[Bands];
        for (var band = 0; band < Bands; band++)
        {
            // The band's number is part of the key: equal rows in different bands mean nothing.
            var key = (ulong)band;
            for (var row = 0; row < Rows; row++)
            {
                key = Mix(key ^ signature[(band * Rows) + row]);
            }

            keys[band] = key;
        }

        return keys;
    }

    // a·h + b < 2^122, reduced by 2^61 ≡ 1.
    private static ulong Permute(ulong a, ulong b, ulong hash)
    {
        var high = Math.BigMul(a, hash, out var low);
        var sum = (low & Prime) + ((low >> 61) | (high << 3)) + b;
        sum = (sum & Prime) + (sum >> 61);
        return sum >= Prime ? sum - Prime : sum;
    }

    private static (ulong A, ulong B)[] CreatePermutations()
    {
        var permutations = new (ulong A, ulong B)[Bands * Rows];
        var state = 0x6761746577617931UL;
        for (var i = 0; i < permutations.Length; i++)
        {
            permutations[i] = ((Next() % (Prime - 1)) + 1, Next() % Prime);
        }

        return permutations;

        ulong Next() => Mix(state += 0x9E3779B97F4A7C15UL);
    }

    // The finaliser of SplitMix64.
    private static ulong Mix(ulong z)
    {
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9UL;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EBUL;
        return z ^ (z >> 31);
    }
}
