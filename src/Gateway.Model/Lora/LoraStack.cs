using Gateway.Model.Numerics;
using Gateway.Model.Weights;

namespace Gateway.Model.Lora;

/// <summary>The second factor of one module: y += (scale·u[offset..offset+rank])·Bᵀ.</summary>
/// <param name="Projection">Whose output it adds to.</param>
/// <param name="Offset">First column of u that belongs to it.</param>
/// <param name="Rank">Columns of u that belong to it.</param>
/// <param name="Scale">Factor of u.</param>
/// <param name="Up">Bᵀ: depth rank, width out.</param>
internal sealed record LoraModule(Projection Projection, int Offset, int Rank, float Scale, WeightMatrix Up);

/// <summary>The adapted modules of one layer that read the same input: u = x·Aᵀ with all their A stacked, then one product each.</summary>
internal sealed unsafe class LoraStack
{
    /// <summary>Packs the modules into borrowed memory and moves <paramref name="next"/> past it.</summary>
    public LoraStack(IReadOnlyList<LoraFactors> factors, WeightFormat format, ref byte* next)
    {
        var inputs = factors[0].A.Columns;
        using var stacked = new Matrix(factors.Sum(factor => factor.A.Rows), inputs);
        var modules = new LoraModule[factors.Count];
        var offset = 0;
        Down = Create(inputs, stacked.Rows, format, ref next);
        for (var i = 0; i < modules.Length; i++)
        {
            var (target, a, b) = factors[i];
            a.Span.CopyTo(stacked.Span[(offset * inputs)..]);
            var up = Create(b.Columns, b.Rows, format, ref next);
            up.PackTransposed(b.Data, b.Columns);
            modules[i] = new LoraModule(target.Projection, offset, target.Rank, target.Scale, up);
            offset += target.Rank;
        }

        Down.PackTransposed(stacked.Data, inputs);
        Modules = modules;
    }

    /// <summary>All Aᵀ side by side: depth in, width the sum of ranks.</summary>
    public WeightMatrix Down { get; }

    /// <summary>The modules in the order of the forward pass.</summary>
    public LoraModule[] Modules { get; }

    /// <summary>Memory that packing these modules takes.</summary>
    public static long BytesFor(IReadOnlyList<LoraFactors> factors, WeightFormat format) =>
        LinearWeights.BytesFor(factors[0].A.Columns, factors.Sum(factor => factor.A.Rows), Stored(format))
        + factors.Sum(factor => LinearWeights.BytesFor(factor.B.Columns, factor.B.Rows, Stored(format)));

    private static WeightMatrix Create(int depth, int width, WeightFormat format, ref byte* next)
    {
        var matrix = LinearWeights.Create(depth, width, Stored(format), next);
        next += LinearWeights.BytesFor(depth, width, Stored(format));
        return matrix;
    }

    private static WeightFormat Stored(WeightFormat format) => format == WeightFormat.F32 ? WeightFormat.F32 : WeightFormat.BF16;
}
