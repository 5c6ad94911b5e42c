using Gateway.Model.Numerics;
using Gateway.Model.Weights;

namespace Gateway.Model.Network;

/// <summary>One linear map y = x·Wᵀ + b, W [out, in], packed for the forward pass and, once training asks, for dX = dY·W.</summary>
internal sealed unsafe class Linear : IDisposable
{
    private readonly Compute _compute;
    private PackedMatrix? _backward;

    /// <summary>Makes room for the weight, in memory of its own unless some is lent, and for a bias if the map has one.</summary>
    public Linear(Compute compute, int inputs, int outputs, bool hasBias, WeightFormat format = WeightFormat.F32, byte* memory = null)
    {
        _compute = compute;
        Weight = LinearWeights.Create(inputs, outputs, format, memory);
        Bias = hasBias ? new Matrix(1, outputs) : null;
    }

    /// <summary>Wᵀ: depth in, width out.</summary>
    public WeightMatrix Weight { get; }

    /// <summary>The weight of a model that trains.</summary>
    /// <exception cref="InvalidOperationException">The weight is not f32.</exception>
    public PackedMatrix Forward => Weight as PackedMatrix
        ?? throw new InvalidOperationException("only f32 weights can be trained; load the model with WeightFormat.F32.");

    /// <summary>The bias as one row, or null.</summary>
    public Matrix? Bias { get; }

    /// <summary>W as depth out, width in; packed at the first use, because serving never needs it.</summary>
    public PackedMatrix Backward => _backward ??= PackBackward();

    /// <summary>Packs a weight [out, in] on all threads.</summary>
    public void SetWeight(Matrix weight)
    {
        _compute.PackTransposed(Weight, weight.Data, weight.Columns);
        if (_backward is not null)
        {
            _compute.Pack(_backward, weight.Data, weight.Columns);
        }
    }

    /// <summary>Copies a bias [1, out].</summary>
    public void SetBias(Matrix bias) => bias.Span.CopyTo(Bias!.Span);

    /// <inheritdoc/>
    public void Dispose()
    {
        Weight.Dispose();
        Bias?.Dispose();
        _backward?.Dispose();
    }

    private PackedMatrix PackBackward()
    {
        using var weight = new Matrix(Forward.Width, Forward.Depth);
        for (var output = 0; output < weight.Rows; output++)
        {
            Forward.ReadColumn(output, weight.Row(output));
        }

        var packed = new PackedMatrix(weight.Rows, weight.Columns);
        _compute.Pack(packed, weight.Data, weight.Columns);
        return packed;
    }
}
