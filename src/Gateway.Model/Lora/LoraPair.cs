using Gateway.Model.Numerics;
using Gateway.Model.Weights;

namespace Gateway.Model.Lora;

/// <summary>The factors of one module packed for the forward pass: u = x·Aᵀ, then y += (scale·u)·Bᵀ.</summary>
internal sealed class LoraPair : IDisposable
{
    /// <summary>Allocates the packing for a module of the given widths.</summary>
    public LoraPair(LoraTarget target, int inputs, int outputs)
    {
        Target = target;
        Down = new PackedMatrix(inputs, target.Rank);
        Up = new PackedMatrix(target.Rank, outputs);
    }

    /// <summary>Where and how strongly the factors act.</summary>
    public LoraTarget Target { get; }

    /// <summary>Aᵀ: depth in, width rank.</summary>
    public PackedMatrix Down { get; }

    /// <summary>Bᵀ: depth rank, width out.</summary>
    public PackedMatrix Up { get; }

    /// <summary>Packs the current values of A [rank, in] and B [out, rank].</summary>
    public unsafe void Pack(Matrix a, Matrix b)
    {
        Down.PackTransposed(a.Data, a.Columns);
        Up.PackTransposed(b.Data, b.Columns);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Down.Dispose();
        Up.Dispose();
    }
}

/// <summary>The packed modules of one adapter by layer and projection.</summary>
internal sealed class LoraPairs : IDisposable
{
    private readonly LoraPair?[] _pairs;

    /// <summary>Packs every module of an adapter.</summary>
    public LoraPairs(IReadOnlyList<LoraFactors> factors)
    {
        _pairs = new LoraPair?[(factors.Max(factor => factor.Target.Layer) + 1) * Projections.Count];
        foreach (var factor in factors)
        {
            _pairs[Index(factor.Target.Layer, factor.Target.Projection)] = new LoraPair(factor.Target, factor.A.Columns, factor.B.Rows);
            Rank = Math.Max(Rank, factor.Target.Rank);
        }

        Pack(factors);
    }

    /// <summary>Largest rank of any module.</summary>
    public int Rank { get; }

    /// <summary>Native memory in bytes.</summary>
    public long Bytes => _pairs.Sum(pair => pair is null ? 0 : pair.Down.Bytes + pair.Up.Bytes);

    /// <summary>Packs the current values of the modules this was made for.</summary>
    public void Pack(IReadOnlyList<LoraFactors> factors)
    {
        foreach (var factor in factors)
        {
            Find(factor.Target.Layer, factor.Target.Projection)!.Pack(factor.A, factor.B);
        }
    }

    /// <summary>The pair at a place, or null when the adapter leaves it alone.</summary>
    public LoraPair? Find(int layer, Projection projection)
    {
        var index = Index(layer, projection);
        return index < _pairs.Length ? _pairs[index] : null;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var pair in _pairs)
        {
            pair?.Dispose();
        }
    }

    private static int Index(int layer, Projection projection) => (layer * Projections.Count) + (int)projection;
}
