namespace Gateway.Model.Numerics;

/// <summary>Cosines and sines of the rotary position embedding for every position of the context, [context, headDimension/2].</summary>
/// <remarks>
/// RoFormer, Su et al. 2021. The angle is an f32 product of position and inverse frequency, as in the reference
/// implementation that the checkpoints were trained with.
/// </remarks>
public sealed unsafe class RopeTable : IDisposable
{
    private readonly Matrix _cos;
    private readonly Matrix _sin;

    /// <param name="contextLength">Positions 0..contextLength-1 are in the table.</param>
    /// <param name="headDimension">Even.</param>
    /// <param name="inverseFrequencies">One for each pair of dimensions: headDimension/2 values.</param>
    public RopeTable(int contextLength, int headDimension, ReadOnlySpan<double> inverseFrequencies)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(contextLength, 1);
        int half = headDimension / 2;
        if (headDimension < 2 || headDimension % 2 != 0 || inverseFrequencies.Length != half)
        {
            throw new ArgumentException($"A head of {headDimension} dimensions needs an even size and half as many inverse frequencies, not {inverseFrequencies.Length}.", nameof(inverseFrequencies));
        }

        ContextLength = contextLength;
        HeadDimension = headDimension;
        _cos = new Matrix(contextLength, half);
        _sin = new Matrix(contextLength, half);
        for (int position = 0; position < contextLength; position++)
        {
            Span<float> cos = _cos.Row(position);
            Span<float> sin = _sin.Row(position);
            for (int i = 0; i < half; i++)
            {
                float angle = position * (float)inverseFrequencies[i];
                (double s, double c) = Math.SinCos(angle);
                cos[i] = (float)c;
                sin[i] = (float)s;
            }
        }
    }

    public int ContextLength { get; }

    public int HeadDimension { get; }

    public float* Cos => _cos.Data;

    public float* Sin => _sin.Data;

    public void Dispose()
    {
        _cos.Dispose();
        _sin.Dispose();
    }
}
