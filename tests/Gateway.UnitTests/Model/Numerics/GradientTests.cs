using Gateway.Model.Numerics;
using Xunit;

namespace Gateway.UnitTests.Model.Numerics;

/// <summary>Forward passes against their definition in f64, backward passes against central differences of that definition.</summary>
public sealed unsafe class GradientTests
{
    private const double Step = 1e-5;
    private const double Tolerance = 2e-5;

    [Fact]
    public void SwiGlu_and_its_gradient_match_the_definition()
    {
        const int Count = 37;
        using var compute = new Compute(2);
        using Matrix gate = Values.Random(1, Count, 1, 6f);
        using Matrix up = Values.Random(1, Count, 2, 2f);
        using Matrix dy = Values.Random(1, Count, 3);
        using var y = new Matrix(1, Count);
        using var dgate = new Matrix(1, Count);
        using var dup = new Matrix(1, Count);
        compute.PrepareGated(new ProductInput(y.Data, 1, Count, PanelFormat.F32), [], gate.Data, up.Data);
        compute.SwiGluBackward(gate.Data, up.Data, dy.Data, Count, dgate.Data, dup.Data);

        double[] g = Values.Doubles(gate), u = Values.Doubles(up), d = Values.Doubles(dy);
        double[] Forward() => [.. g.Zip(u, (a, b) => a / (1 + Math.Exp(-a)) * b)];
        Values.AssertNear(Forward(), y, Tolerance);
        Values.AssertNear(Numeric(g, () => Weighted(Forward(), d)), dgate, Tolerance);
        Values.AssertNear(Numeric(u, () => Weighted(Forward(), d)), dup, Tolerance);
    }

    [Theory]
    [InlineData(5)]
    [InlineData(48)]
    public void RmsNorm_and_its_gradient_match_the_definition(int width)
    {
        const int Rows = 3;
        const double Epsilon = 1e-5f;
        using var compute = new Compute(2);
        using Matrix x = Values.Random(Rows, width, 1, 2f);
        using Matrix weight = Values.Random(1, width, 2, 2f);
        using Matrix dy = Values.Random(Rows, width, 3);
        using var y = new Matrix(Rows, width);
        using var inverse = new Matrix(1, Rows);
        using var dx = new Matrix(Rows, width);
        using var dweight = new Matrix(1, width);
        compute.RmsNorm(x.Data, weight.Data, Rows, width, (float)Epsilon, y.Data, inverse.Data);
        compute.RmsNormBackward(x.Data, weight.Data, inverse.Data, dy.Data, Rows, width, dx.Data, dweight.Data);

        double[] xs = Values.Doubles(x), ws = Values.Doubles(weight), ds = Values.Doubles(dy);
        double[] Forward() => [.. xs.Select((value, i) => value * ws[i % width] / Math.Sqrt(xs.Skip(i / width * width).Take(width).Average(other => other * other) + Epsilon))];
        Values.AssertNear(Forward(), y, Tolerance);
        Values.AssertNear(Numeric(xs, () => Weighted(Forward(), ds)), dx, Tolerance);
        Values.AssertNear(Numeric(ws, () => Weighted(Forward(), ds)), dweight, Tolerance);

        // Gradients add to what is there.
        compute.RmsNormBackward(x.Data, weight.Data, inverse.Data, dy.Data, Rows, width, dx.Data, dweight.Data);
        Values.AssertNear([.. Numeric(xs, () => Weighted(Forward(), ds)).Select(value => 2 * value)], dx, 2 * Tolerance);
    }

    [Theory]
    [InlineData(2, 1, 8)]
    [InlineData(4, 2, 20)]
    public void CausalAttention_and_its_gradient_match_the_definition(int heads, int kvHeads, int d)
    {
        const int Rows = 60;
        using var compute = new Compute(2);
        using var attention = new AttentionCase(Rows, heads, kvHeads, d, [0, 7, 8, Rows]);
        attention.Forward(compute);
        attention.Backward(compute);

        double[] q = Values.Doubles(attention.Q), k = Values.Doubles(attention.K), v = Values.Doubles(attention.V), dO = Values.Doubles(attention.DO);
        double Loss() => Weighted(attention.Reference(q, k, v), dO);
        Values.AssertNear(attention.Reference(q, k, v), attention.O, Tolerance);
        AssertSampled(q, Loss, attention.DQ);
        AssertSampled(k, Loss, attention.DK);
        AssertSampled(v, Loss, attention.DV);
    }

    [Fact]
    public void CrossEntropy_and_its_gradient_match_the_definition()
    {
        const int Rows = 4, Vocabulary = 1100;
        const float Scale = 0.25f;
        int[] labels = [3, -100, 1099, 16];
        using var compute = new Compute(2);
        using Matrix logits = Values.Random(Rows, Vocabulary, 1, 8f);
        double[] xs = Values.Doubles(logits);
        double[] picked = new double[Rows];
        double loss;
        fixed (int* label = labels)
        fixed (double* pick = picked)
        {
            compute.LogSoftmaxPick(logits.Data, Rows, Vocabulary, label, pick);
            loss = compute.CrossEntropy(logits.Data, Rows, Vocabulary, label, Scale);
        }

        double expectedLoss = 0;
        double[] expected = new double[Rows * Vocabulary];
        for (int row = 0; row < Rows; row++)
        {
            if (labels[row] < 0)
            {
                Assert.Equal(0, picked[row]);
                continue;
            }

            double[] values = xs[(row * Vocabulary)..((row + 1) * Vocabulary)];
            double total = values.Sum(Math.Exp);
            double logProbability = values[labels[row]] - Math.Log(total);
            expectedLoss -= logProbability;
            Assert.Equal(logProbability, picked[row], 1e-5);
            for (int i = 0; i < Vocabulary; i++)
            {
                expected[(row * Vocabulary) + i] = ((Math.Exp(values[i]) / total) - (i == labels[row] ? 1 : 0)) * Scale;
            }
        }

        Assert.Equal(expectedLoss, loss, 1e-5);
        Values.AssertNear(expected, logits, 1e-6);
    }

    [Fact]
    public void Rope_TurnsPairsByTheAngle_AndTheInverseTurnsBack()
    {
        const int Rows = 3, HeadDimension = 6;
        double[] frequencies = [1, 0.1, 0.01];
        int[] positions = [0, 5, 19];
        using var compute = new Compute(1);
        using var table = new RopeTable(20, HeadDimension, frequencies);
        using Matrix x = Values.Random(Rows, 2 * HeadDimension, 1);
        double[] start = Values.Doubles(x);
        double[] expected = new double[start.Length];
        for (int i = 0; i < start.Length; i++)
        {
            int pair = i % 3;
            bool second = i % HeadDimension >= 3;
            double angle = positions[i / (2 * HeadDimension)] * frequencies[pair];
            expected[i] = second
                ? (start[i] * Math.Cos(angle)) + (start[i - 3] * Math.Sin(angle))
                : (start[i] * Math.Cos(angle)) - (start[i + 3] * Math.Sin(angle));
        }

        fixed (int* position = positions)
        {
            compute.Rope(x.Data, Rows, 2, HeadDimension, position, table, inverse: false);
            Values.AssertNear(expected, x, 1e-6);
            compute.Rope(x.Data, Rows, 2, HeadDimension, position, table, inverse: true);
            Values.AssertNear(start, x, 1e-6);
            positions[1] = 20;
            Assert.Throws<ArgumentOutOfRangeException>(() => compute.Rope(x.Data, Rows, 2, HeadDimension, (int*)System.Runtime.CompilerServices.Unsafe.AsPointer(ref positions[0]), table, inverse: false));
        }
    }

    [Fact]
    public void AdamW_FollowsThePublishedRule()
    {
        const int Count = 21;
        const double Rate = 0.01, Beta1 = 0.9, Beta2 = 0.95, Epsilon = 1e-8, Decay = 0.1, Scale = 0.5;
        using var compute = new Compute(1);
        using Matrix parameter = Values.Random(1, Count, 1);
        using Matrix gradient = Values.Random(1, Count, 2);
        using var m = new Matrix(1, Count);
        using var v = new Matrix(1, Count);
        double[] p = Values.Doubles(parameter), g = Values.Doubles(gradient), first = new double[Count], second = new double[Count];
        for (int step = 1; step <= 4; step++)
        {
            compute.AdamW(parameter.Data, gradient.Data, m.Data, v.Data, Count, (float)Rate, (float)Beta1, (float)Beta2, (float)Epsilon, (float)Decay, step, (float)Scale);
            for (int i = 0; i < Count; i++)
            {
                double scaled = g[i] * Scale;
                first[i] = (Beta1 * first[i]) + ((1 - Beta1) * scaled);
                second[i] = (Beta2 * second[i]) + ((1 - Beta2) * scaled * scaled);
                double mean = first[i] / (1 - Math.Pow(Beta1, step));
                double variance = second[i] / (1 - Math.Pow(Beta2, step));
                p[i] -= Rate * ((mean / (Math.Sqrt(variance) + Epsilon)) + (Decay * p[i]));
            }
        }

        Values.AssertNear(p, parameter, 1e-6);
    }

    private static double Weighted(double[] values, double[] weights) => values.Zip(weights, (value, weight) => value * weight).Sum();

    private static double[] Numeric(double[] inputs, Func<double> loss) => [.. Enumerable.Range(0, inputs.Length).Select(i => NumericAt(inputs, i, loss))];

    private static double NumericAt(double[] inputs, int i, Func<double> loss)
    {
        double kept = inputs[i];
        inputs[i] = kept + Step;
        double above = loss();
        inputs[i] = kept - Step;
        double below = loss();
        inputs[i] = kept;
        return (above - below) / (2 * Step);
    }

    /// <summary>Compares every 23rd element: the reference is quadratic.</summary>
    private static void AssertSampled(double[] inputs, Func<double> loss, Matrix gradient)
    {
        for (int i = 0; i < inputs.Length; i += 23)
        {
            Assert.Equal(NumericAt(inputs, i, loss), gradient.Span[i], 5e-5);
        }
    }
}
