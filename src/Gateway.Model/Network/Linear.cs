using Gateway.Model.Numerics;

namespace Gateway.Model.Network;

/// <summary>One linear map y = x·Wᵀ + b, W [out, in], packed for the forward pass and, once training asks, for dX = dY·W.</summary>
internal sealed unsafe class Linear : IDisposable
{
    private readonly Compute _compute;
    private PackedMatrix? _backward;

    /// <summary>Allocates room for the weight, and for a bias if the map has one.</summary>
    public Linear(Compute compute, int inputs, int outputs, bool hasBias)
    {
        _compute = compute;
        Forward = new PackedMatrix(inputs, outputs);
        Bias = hasBias ? new Matrix(1, outputs) : null;
    }

    /// <summary>Wᵀ: depth in, width out.</summary>
    public PackedMatrix Forward { get; }

    /// <summary>The bias as one row, or null.</summary>
    public Matrix? Bias { get; }

    /// <summary>W as depth out, width in; packed at the first use, because serving never needs it.</summary>
    public PackedMatrix Backward => _backward ??= PackBackward();

    /// <summary>Packs a weight [out, in] on all threads.</summary>
    public void SetWeight(Matrix weight)
    {
        _compute.PackTransposed(Forward, weight.Data, weight.Columns);
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
        Forward.Dispose();
        Bias?.Dispose();
        _backward?.Dispose();
    }

    private PackedMatrix PackBackward()
    {
        using var weight = new Matrix(Forward.Width, Forward.Depth);
        var panels = Forward.Data;
        for (var output = 0; output < weight.Rows; output++)
        {
            var column = panels + (output / PackedMatrix.PanelWidth * Forward.PanelStride) + (output % PackedMatrix.PanelWidth);
            var row = weight.Row(output);
            for (var input = 0; input < row.Length; input++)
            {
                row[input] = column[(long)input * PackedMatrix.PanelWidth];
            }
        }

        var packed = new PackedMatrix(weight.Rows, weight.Columns);
        _compute.Pack(packed, weight.Data, weight.Columns);
        return packed;
    }
}
