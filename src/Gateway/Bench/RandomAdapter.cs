using Gateway.Model.Lora;
using Gateway.Model.Numerics;
using Gateway.Model.Weights;

namespace Gateway.Bench;

/// <summary>Adapters of random factors on all linear maps, both factors filled.</summary>
internal static class RandomAdapter
{
    /// <summary>Rank of the adapters that streams use.</summary>
    public const int ServedRank = 16;

    /// <summary>Makes an adapter; the caller owns it.</summary>
    public static LoraTensors Create(ModelConfig config, ulong seed, int rank = ServedRank)
    {
        var spec = LoraSpec.Create(rank, rank, Projections.All);
        return new LoraTensors(spec, [.. spec.Resolve(config).Select(target =>
        {
            var a = new Matrix(rank, target.Projection.Inputs(config));
            var b = new Matrix(target.Projection.Outputs(config), rank);
            RandomCheckpoint.FillUniform(a.Span, ++seed * 7919);
            RandomCheckpoint.FillUniform(b.Span, ++seed * 7919);
            return new LoraFactors(target, a, b);
        })]);
    }

    /// <summary>Parameters of such an adapter.</summary>
    public static long Parameters(ModelConfig config) =>
        ServedRank * (long)config.LayerCount * Projections.All.Sum(projection => projection.Inputs(config) + projection.Outputs(config));
}
