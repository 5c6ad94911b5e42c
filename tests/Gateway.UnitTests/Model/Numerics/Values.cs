using Gateway.Model.Numerics;
using Xunit;

namespace Gateway.UnitTests.Model.Numerics;

/// <summary>Deterministic matrices and bitwise comparison for kernel tests.</summary>
internal static class Values
{
    public static Matrix Random(int rows, int columns, int seed, float spread = 1f)
    {
        var matrix = new Matrix(rows, columns);
        var random = new Random(seed);
        foreach (ref float value in matrix.Span)
        {
            value = spread * ((2 * random.NextSingle()) - 1);
        }

        return matrix;
    }

    public static int[] Bits(Matrix matrix) => [.. matrix.Span.ToArray().Select(BitConverter.SingleToInt32Bits)];

    public static double[] Doubles(Matrix matrix) => [.. matrix.Span.ToArray().Select(value => (double)value)];

    public static void AssertNear(IReadOnlyList<double> expected, Matrix actual, double tolerance)
    {
        Assert.Equal(expected.Count, actual.Span.Length);
        for (int i = 0; i < expected.Count; i++)
        {
            double allowed = tolerance * (1 + Math.Abs(expected[i]));
            Assert.True(Math.Abs(expected[i] - actual.Span[i]) <= allowed, $"element {i}: expected {expected[i]}, found {actual.Span[i]}");
        }
    }
}
