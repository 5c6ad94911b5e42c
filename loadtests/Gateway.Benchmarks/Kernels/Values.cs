using Gateway.Model.Numerics;

namespace Gateway.Benchmarks.Kernels;

/// <summary>Input of kernels.</summary>
internal static class Values
{
    /// <summary>Values in ±0.5, the same for the same shape.</summary>
    public static Matrix Random(int rows, int columns)
    {
        var matrix = new Matrix(rows, columns);
        var random = new Random(rows + columns);
        foreach (ref float value in matrix.Span)
        {
            value = random.NextSingle() - 0.5f;
        }

        return matrix;
    }
}
