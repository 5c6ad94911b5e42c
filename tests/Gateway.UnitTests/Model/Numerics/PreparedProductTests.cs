using Gateway.Model.Numerics;
using Xunit;

namespace Gateway.UnitTests.Model.Numerics;

/// <summary>Inputs made in one job, biases and adapter terms: the bits of doing everything one after the other.</summary>
public sealed unsafe class PreparedProductTests
{
    private const int Depth = 192;
    private const int Width = 144;
    private const int Rank = 5;

    [Theory]
    [InlineData(1, false)]
    [InlineData(9, false)]
    [InlineData(9, true)]
    [InlineData(70, false)]
    public void Product_WithBiasAndTermsOfSomeRows_GivesTheBitsOfSeparateJobs(int rows, bool fourBits)
    {
        using Matrix x = Values.Random(rows, Depth, 1), norm = Values.Random(1, Depth, 2), weight = Values.Random(Width, Depth, 3);
        using Matrix a = Values.Random(Rank, Depth, 4), b = Values.Random(Width, Rank, 5), bias = Values.Random(1, Width, 6);
        using var packed = new QuantizedMatrix(Depth, Width, fourBits);
        using var down = new Bfloat16Matrix(Depth, Rank);
        using var up = new Bfloat16Matrix(Rank, Width);
        packed.PackTransposed(weight.Data, Depth);
        down.PackTransposed(a.Data, Depth);
        up.PackTransposed(b.Data, Rank);
        int first = rows / 3;
        int adapted = rows - first;
        foreach (Kernels kernels in Kernels.Available)
        {
            foreach (int threads in (int[])[1, 2, 3])
            {
                using var compute = new Compute(threads, kernels);
                using Matrix normed = new(rows, Depth), expected = new(rows, Width), inner = new(rows, Rank);
                compute.RmsNorm(x.Data, norm.Data, rows, Depth, 1e-5f, normed.Data, null);
                compute.Multiply([new Product(normed.Data, Depth, rows, packed, expected.Data, Width, accumulate: false)]);
                for (int row = 0; row < rows; row++)
                {
                    compute.Add(bias.Data, expected.Data + (row * Width), Width);
                }

                float* adaptedRows = normed.Data + (first * Depth);
                compute.Multiply([new Product(adaptedRows, Depth, adapted, down, inner.Data, Rank, accumulate: false)]);
                compute.Multiply([new Product(inner.Data, Rank, adapted, up, expected.Data + (first * Width), Width, accumulate: true, scale: 1.7f)]);

                using Matrix prepared = new(rows, Depth), result = new(rows, Width), alongside = new(rows, Rank);
                var input = new ProductInput(prepared.Data, rows, Depth, packed.Format);
                compute.PrepareNormed(input, [new InnerProduct(first, adapted, down, alongside.Data)], x.Data, norm.Data, 1e-5f, null);
                var term = new ProductTerm(alongside.Data, Rank, first, adapted, up, 1.7f);
                var following = new FollowingWeights(packed.Memory, packed.Bytes);
                compute.Multiply([new Product(prepared.Data, Depth, rows, packed, result.Data, Width, accumulate: false).Then(bias.Data, &term, 1)], following);

                Assert.Equal(Values.Bits(expected), Values.Bits(result));
            }
        }
    }

    [Fact]
    public void Prepare_ServesOneJob_AndAnotherInputIsQuantizedAnew()
    {
        const int Rows = 6;
        using Matrix x = Values.Random(Rows, Depth, 1), weight = Values.Random(Width, Depth, 3);
        using var packed = new QuantizedMatrix(Depth, Width, fourBits: false);
        packed.PackTransposed(weight.Data, Depth);
        using var compute = new Compute(2);
        using Matrix before = new(Rows, Width), after = new(Rows, Width), expected = new(Rows, Width);
        compute.Prepare(new ProductInput(x.Data, Rows, Depth, packed.Format), []);
        compute.Multiply([new Product(x.Data, Depth, Rows, packed, before.Data, Width, accumulate: false)]);
        x.Span.Reverse();
        compute.Multiply([new Product(x.Data, Depth, Rows, packed, after.Data, Width, accumulate: false)]);

        using Matrix copy = new(Rows, Depth);
        x.Span.CopyTo(copy.Span);
        compute.Multiply([new Product(copy.Data, Depth, Rows, packed, expected.Data, Width, accumulate: false)]);
        Assert.Equal(Values.Bits(expected), Values.Bits(after));
        Assert.NotEqual(Values.Bits(before), Values.Bits(after));
    }
}
