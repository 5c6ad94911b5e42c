namespace Gateway.Engine.Sampling;

/// <summary>
/// A random number that depends only on its coordinates, so that batching, preemption and replay cannot change a draw.
/// The mixing function is that of SplitMix64 (Steele, Lea and Flood 2014).
/// </summary>
public static class CounterRandom
{
    private const ulong GoldenGamma = 0x9E3779B97F4A7C15;

    /// <summary>Uniform in [0, 1) with 53 bits.</summary>
    public static double Uniform(long seed, int position)
    {
        var bits = Mix(Mix((ulong)seed + GoldenGamma) + (GoldenGamma * ((ulong)(uint)position + 1)));
        return (bits >> 11) * (1.0 / (1UL << 53));
    }

    private static ulong Mix(ulong z)
    {
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
        return z ^ (z >> 31);
    }
}
