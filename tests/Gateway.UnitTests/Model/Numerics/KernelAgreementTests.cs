using Gateway.Model.Numerics;
using Xunit;

namespace Gateway.UnitTests.Model.Numerics;

/// <summary>Every operation gives the bits of the scalar set on one thread, whatever the set and the thread count.</summary>
public sealed unsafe class KernelAgreementTests
{
    private const int Rows = 75;

    public static TheoryData<int> Widths() => [1, 7, 16, 40, 1003];

    [Theory]
    [MemberData(nameof(Widths))]
    public void Elementwise_operations_agree(int width)
    {
        int count = Rows * width;
        AssertAgree(compute =>
        {
            using Matrix x = Values.Random(Rows, width, 1, 5f);
            using Matrix y = Values.Random(Rows, width, 2, 5f);
            using Matrix z = Values.Random(Rows, width, 3, 5f);
            using var glu = new Matrix(Rows, width);
            using var dgate = new Matrix(Rows, width);
            using var dup = new Matrix(Rows, width);
            compute.PrepareGated(new ProductInput(glu.Data, Rows, width, PanelFormat.F32), [], x.Data, y.Data);
            compute.SwiGluBackward(x.Data, y.Data, z.Data, count, dgate.Data, dup.Data);
            compute.Add(x.Data, y.Data, count);
            compute.Axpy(0.3f, z.Data, y.Data, count);
            compute.Scale(y.Data, 1.7f, count);
            return [.. Values.Bits(glu), .. Values.Bits(dgate), .. Values.Bits(dup), .. Values.Bits(y), .. Bits(compute.SumOfSquares(y.Data, count))];
        });
    }

    [Theory]
    [MemberData(nameof(Widths))]
    public void Row_operations_agree(int width)
    {
        AssertAgree(compute =>
        {
            using Matrix x = Values.Random(Rows, width, 1);
            using Matrix weight = Values.Random(1, width, 2);
            using Matrix dy = Values.Random(Rows, width, 3);
            using Matrix dx = Values.Random(Rows, width, 4);
            using Matrix dweight = Values.Random(1, width, 5);
            using var y = new Matrix(Rows, width);
            using var inverse = new Matrix(1, Rows);
            using var sums = new Matrix(1, width);
            compute.RmsNorm(x.Data, weight.Data, Rows, width, 1e-5f, y.Data, inverse.Data);
            compute.RmsNormBackward(x.Data, weight.Data, inverse.Data, dy.Data, Rows, width, dx.Data, dweight.Data);
            compute.ColumnSums(y.Data, Rows, width, sums.Data, accumulate: false);
            compute.ColumnSums(x.Data, Rows, width, sums.Data, accumulate: true);
            return [.. Values.Bits(y), .. Values.Bits(inverse), .. Values.Bits(dx), .. Values.Bits(dweight), .. Values.Bits(sums)];
        });
    }

    [Theory]
    [MemberData(nameof(Widths))]
    public void Losses_agree(int vocabulary)
    {
        int[] labels = [.. Enumerable.Range(0, Rows).Select(row => row % 5 == 4 ? -100 : row * 31 % vocabulary)];
        AssertAgree(compute =>
        {
            using Matrix logits = Values.Random(Rows, vocabulary, 1, 12f);
            double[] picked = new double[Rows];
            double loss;
            fixed (int* label = labels)
            fixed (double* pick = picked)
            {
                compute.LogSoftmaxPick(logits.Data, Rows, vocabulary, label, pick);
                loss = compute.CrossEntropy(logits.Data, Rows, vocabulary, label, 0.01f);
            }

            return [.. Values.Bits(logits), .. Bits(loss), .. picked.SelectMany(Bits)];
        });
    }

    [Theory]
    [InlineData(8)]
    [InlineData(32)]
    [InlineData(50)]
    public void Rope_agrees(int headDimension)
    {
        double[] frequencies = [.. Enumerable.Range(0, headDimension / 2).Select(i => Math.Pow(10_000, -2.0 * i / headDimension))];
        int[] positions = [.. Enumerable.Range(0, Rows).Select(row => row * 3 % 100)];
        AssertAgree(compute =>
        {
            using var table = new RopeTable(100, headDimension, frequencies);
            using Matrix x = Values.Random(Rows, 3 * headDimension, 1);
            fixed (int* position = positions)
            {
                compute.Rope(x.Data, Rows, 3, headDimension, position, table, inverse: false);
                return Values.Bits(x);
            }
        });
    }

    [Fact]
    public void AdamW_agrees()
    {
        const int Count = 20_003;
        AssertAgree(compute =>
        {
            using Matrix parameter = Values.Random(1, Count, 1);
            using Matrix gradient = Values.Random(1, Count, 2);
            using var m = new Matrix(1, Count);
            using var v = new Matrix(1, Count);
            for (int step = 1; step <= 3; step++)
            {
                compute.AdamW(parameter.Data, gradient.Data, m.Data, v.Data, Count, 1e-2f, 0.9f, 0.95f, 1e-8f, 0.1f, step, 0.5f);
            }

            return [.. Values.Bits(parameter), .. Values.Bits(m), .. Values.Bits(v)];
        });
    }

    [Theory]
    [InlineData(4, 2, 8)]
    [InlineData(3, 3, 40)]
    [InlineData(4, 1, 64)]
    public void Attention_agrees(int heads, int kvHeads, int d)
    {
        int[] starts = [0, 1, 60, 60, Rows];
        AssertAgree(compute =>
        {
            using var attention = new AttentionCase(Rows, heads, kvHeads, d, starts);
            attention.Forward(compute);
            attention.Backward(compute);
            return [.. Values.Bits(attention.O), .. Values.Bits(attention.LogSumExp), .. Values.Bits(attention.DQ), .. Values.Bits(attention.DK), .. Values.Bits(attention.DV)];
        });
    }

    private static IEnumerable<int> Bits(double value)
    {
        long bits = BitConverter.DoubleToInt64Bits(value);
        return [(int)bits, (int)(bits >> 32)];
    }

    private static void AssertAgree(Func<Compute, int[]> operation)
    {
        using var reference = new Compute(1, Kernels.Scalar);
        int[] expected = operation(reference);
        foreach (Kernels kernels in Kernels.Available)
        {
            foreach (int threads in new[] { 1, 3 })
            {
                using var compute = new Compute(threads, kernels);
                int[] actual = operation(compute);
                int different = Enumerable.Range(0, expected.Length).FirstOrDefault(i => expected[i] != actual[i], -1);
                Assert.True(different < 0, $"{kernels.Name} on {threads} threads differs at value {different} of {expected.Length}");
            }
        }
    }
}
