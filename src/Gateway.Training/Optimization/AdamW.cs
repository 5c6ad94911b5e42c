using System.Runtime.InteropServices;
using Gateway.Model.Network;
using Gateway.Model.Numerics;

namespace Gateway.Training.Optimization;

/// <summary>Settings of <see cref="AdamW"/>; the defaults are PyTorch's, without decay.</summary>
public sealed record AdamWSettings
{
    /// <summary>Decay of the first moment.</summary>
    public float Beta1 { get; init; } = 0.9f;

    /// <summary>Decay of the second moment.</summary>
    public float Beta2 { get; init; } = 0.999f;

    /// <summary>Added to the root of the second moment.</summary>
    public float Epsilon { get; init; } = 1e-8f;

    /// <summary>Decoupled weight decay, applied to matrices and not to vectors (norm weights, biases).</summary>
    public float WeightDecay { get; init; }

    /// <summary>Gradients are scaled down to this global L2 norm.</summary>
    public double MaxGradientNorm { get; init; } = 1;
}

/// <summary>
/// AdamW (Loshchilov &amp; Hutter, 2019) with clipping by the global gradient norm, over a fixed list of parameters. State is
/// f32. Not thread-safe; owns its moments.
/// </summary>
public sealed unsafe class AdamW : IDisposable
{
    private readonly IReadOnlyList<Parameter> _parameters;
    private readonly List<(Matrix First, Matrix Second)> _moments = [];
    private readonly AdamWSettings _settings;
    private readonly Compute _compute;

    /// <summary>An optimiser at step 0 with zero moments.</summary>
    public AdamW(IReadOnlyList<Parameter> parameters, AdamWSettings settings, Compute compute)
    {
        _parameters = parameters;
        _settings = settings;
        _compute = compute;
        foreach (var parameter in parameters)
        {
            _moments.Add((new Matrix(parameter.Rows, parameter.Columns), new Matrix(parameter.Rows, parameter.Columns)));
        }
    }

    /// <summary>Number of steps taken.</summary>
    public int StepCount { get; private set; }

    /// <summary>Clips, updates every parameter, zeroes every gradient, and returns the gradient norm before clipping.</summary>
    public double Step(double learningRate)
    {
        var sumOfSquares = 0.0;
        foreach (var parameter in _parameters)
        {
            sumOfSquares += _compute.SumOfSquares(parameter.Gradient.Data, Count(parameter));
        }

        var norm = Math.Sqrt(sumOfSquares);
        var clip = (float)Math.Min(1, _settings.MaxGradientNorm / (norm + 1e-6));
        StepCount++;
        for (var i = 0; i < _parameters.Count; i++)
        {
            var parameter = _parameters[i];
            var decay = parameter.Rows > 1 ? _settings.WeightDecay : 0;
            _compute.AdamW(
                parameter.Value.Data, parameter.Gradient.Data, _moments[i].First.Data, _moments[i].Second.Data, Count(parameter),
                (float)learningRate, _settings.Beta1, _settings.Beta2, _settings.Epsilon, decay, StepCount, clip);
            parameter.Gradient.Span.Clear();
        }

        return norm;
    }

    /// <summary>Writes step count and moments; the parameters themselves are the caller's to save.</summary>
    public void Save(BinaryWriter writer)
    {
        writer.Write(StepCount);
        foreach (var (first, second) in _moments)
        {
            writer.Write(MemoryMarshal.AsBytes(first.Span));
            writer.Write(MemoryMarshal.AsBytes(second.Span));
        }
    }

    /// <summary>Reads what <see cref="Save"/> wrote for the same list of parameters.</summary>
    public void Load(BinaryReader reader)
    {
        StepCount = reader.ReadInt32();
        foreach (var (first, second) in _moments)
        {
            reader.BaseStream.ReadExactly(MemoryMarshal.AsBytes(first.Span));
            reader.BaseStream.ReadExactly(MemoryMarshal.AsBytes(second.Span));
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var (first, second) in _moments)
        {
            first.Dispose();
            second.Dispose();
        }
    }

    private static int Count(Parameter parameter) => checked(parameter.Rows * parameter.Columns);
}
