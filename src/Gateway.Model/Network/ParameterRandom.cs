using Gateway.Model.Numerics;

namespace Gateway.Model.Network;

/// <summary>Deterministic initial values: the same seed gives the same bits on every machine (SplitMix64, Steele et al. 2014).</summary>
internal sealed class ParameterRandom(ulong seed)
{
    private ulong _state = seed;

    /// <summary>Fills a matrix from the uniform distribution on (−bound, bound).</summary>
    public void FillUniform(Matrix matrix, double bound)
    {
        foreach (ref var value in matrix.Span)
        {
            value = (float)(bound * ((2 * NextUnit()) - 1));
        }
    }

    /// <summary>Fills a matrix from a normal distribution with mean 0 (Box and Muller 1958).</summary>
    public void FillNormal(Matrix matrix, double deviation)
    {
        foreach (ref var value in matrix.Span)
        {
            var radius = Math.Sqrt(-2 * Math.Log(1 - NextUnit()));
            value = (float)(deviation * radius * Math.Cos(2 * Math.PI * NextUnit()));
        }
    }

    /// <summary>The next number in [0, 1) with 53 random bits.</summary>
    private double NextUnit()
    {
        _state += 0x9E3779B97F4A7C15;
        var bits = _state;
        bits = (bits ^ (bits >> 30)) * 0xBF58476D1CE4E5B9;
        bits = (bits ^ (bits >> 27)) * 0x94D049BB133111EB;
        bits ^= bits >> 31;
        return (bits >> 11) * (1.0 / (1UL << 53));
    }
}
