using Gateway.Model.Numerics;
using Xunit;

namespace Gateway.UnitTests.Model.Numerics;

public sealed unsafe class ProductTests
{
    public static TheoryData<string, int> Sets()
    {
        var data = new TheoryData<string, int>();
        foreach (Kernels kernels in Kernels.Available)
        {
            data.Add(kernels.Name, 1);
            data.Add(kernels.Name, 3);
        }

        return data;
    }

    // Row tails of every tile height, column tails of every panel count, depths across the depth block, several chunks of rows.
    public static TheoryData<int, int, int> Shapes() => new()
    {
        { 1, 1, 1 }, { 1, 37, 130 }, { 5, 16, 64 }, { 12, 40, 32 }, { 13, 300, 47 }, { 27, 65, 17 }, { 100, 33, 96 }, { 63, 520, 81 }, { 530, 9, 200 },
    };

    [Theory]
    [MemberData(nameof(Shapes))]
    public void Multiply_IsOneChainOfFusedMultiplyAdds_InEverySetAndThreadCount(int rows, int depth, int width)
    {
        using Matrix a = Values.Random(rows, depth + 3, 1);
        using Matrix weight = Values.Random(width, depth, 2);
        using Matrix start = Values.Random(rows, width + 5, 3);
        using var packed = new PackedMatrix(depth, width);
        packed.PackTransposed(weight.Data, depth);
        foreach (bool accumulate in new[] { false, true })
        {
            float[] expected = start.Span.ToArray();
            for (int row = 0; row < rows; row++)
            {
                for (int column = 0; column < width; column++)
                {
                    float sum = accumulate ? start.Row(row)[column] : 0f;
                    for (int k = 0; k < depth; k++)
                    {
                        sum = MathF.FusedMultiplyAdd(a.Row(row)[k], weight.Row(column)[k], sum);
                    }

                    expected[(row * (width + 5)) + column] = sum;
                }
            }

            ForEverySet((compute, name) =>
            {
                using var c = new Matrix(rows, width + 5);
                start.Span.CopyTo(c.Span);
                compute.Multiply(a.Data, depth + 3, rows, packed, c.Data, width + 5, accumulate);
                Assert.True(expected.AsSpan().SequenceEqual(c.Span), $"{name}, accumulate {accumulate}");
            });
        }
    }

    [Theory]
    [MemberData(nameof(Shapes))]
    public void MultiplyTransposed_IsOneChainOverTheDepth_InEverySetAndThreadCount(int rows, int depth, int columns)
    {
        using Matrix a = Values.Random(depth, rows + 2, 1);
        using Matrix b = Values.Random(depth, columns + 1, 2);
        using Matrix start = Values.Random(rows, columns + 4, 3);
        foreach (bool accumulate in new[] { false, true })
        {
            float[] expected = start.Span.ToArray();
            for (int row = 0; row < rows; row++)
            {
                for (int column = 0; column < columns; column++)
                {
                    float sum = accumulate ? start.Row(row)[column] : 0f;
                    for (int t = 0; t < depth; t++)
                    {
                        sum = MathF.FusedMultiplyAdd(a.Row(t)[row], b.Row(t)[column], sum);
                    }

                    expected[(row * (columns + 4)) + column] = sum;
                }
            }

            ForEverySet((compute, name) =>
            {
                using var c = new Matrix(rows, columns + 4);
                start.Span.CopyTo(c.Span);
                compute.MultiplyTransposed(a.Data, rows + 2, b.Data, columns + 1, depth, rows, columns, c.Data, columns + 4, accumulate);
                Assert.True(expected.AsSpan().SequenceEqual(c.Span), $"{name}, accumulate {accumulate}");
            });
        }
    }

    [Theory]
    [InlineData(29, 300, 100, 8)]
    [InlineData(530, 20, 200, 3)]
    public void Multiply_ThenASecondProduct_GivesTheBitsOfTwoJobs(int rows, int depth, int width, int rank)
    {
        using Matrix a = Values.Random(rows, depth, 1), weight = Values.Random(width, depth, 2);
        using Matrix left = Values.Random(rows, rank, 3), factor = Values.Random(width, rank, 4);
        using PackedMatrix packed = new(depth, width), right = new(rank, width);
        packed.PackTransposed(weight.Data, depth);
        right.PackTransposed(factor.Data, rank);
        foreach (bool accumulate in new[] { false, true })
        {
            ForEverySet((compute, name) =>
            {
                using Matrix apart = Values.Random(rows, width, 5), together = Values.Random(rows, width, 5);
                compute.Multiply(a.Data, depth, rows, packed, apart.Data, width, accumulate);
                compute.Multiply(left.Data, rank, rows, right, apart.Data, width, accumulate: true);
                var term = new ProductTerm(left.Data, rank, 0, rows, right);
                compute.Multiply([new Product(a.Data, depth, rows, packed, together.Data, width, accumulate).Then(null, &term, 1)]);
                Assert.True(apart.Span.SequenceEqual(together.Span), name);
            });
        }
    }

    [Fact]
    public void Multiply_FromOtherValues_GivesTheBitsOfCopyingThemFirst()
    {
        const int Rows = 61, Depth = 70, Width = 140;
        using Matrix a = Values.Random(Rows, Depth, 1), weight = Values.Random(Width, Depth, 2), start = Values.Random(Rows, Width, 3);
        using var packed = new PackedMatrix(Depth, Width);
        packed.PackTransposed(weight.Data, Depth);
        ForEverySet((compute, name) =>
        {
            using Matrix copied = Values.Random(Rows, Width, 3), result = Values.Random(Rows, Width, 4);
            compute.Multiply(a.Data, Depth, Rows, packed, copied.Data, Width, accumulate: true);
            compute.Multiply([new Product(a.Data, Depth, Rows, packed, result.Data, Width, accumulate: false).From(start.Data)]);
            Assert.True(copied.Span.SequenceEqual(result.Span), name);
        });
    }

    [Theory]
    [InlineData(8, 130, 100)]
    [InlineData(3, 64, 31)]
    [InlineData(21, 65, 209)]
    public void AddOuterProducts_IsTheChainOfMultiplyTransposed_BothWaysRound(int rank, int depth, int columns)
    {
        using Matrix narrow = Values.Random(depth, rank, 1);
        using Matrix wide = Values.Random(depth, columns, 2);
        using Matrix start = Values.Random(rank, columns, 3);
        float[] expected = start.Span.ToArray();
        for (int j = 0; j < rank; j++)
        {
            for (int c = 0; c < columns; c++)
            {
                for (int t = 0; t < depth; t++)
                {
                    expected[(j * columns) + c] = MathF.FusedMultiplyAdd(narrow.Row(t)[j], wide.Row(t)[c], expected[(j * columns) + c]);
                }
            }
        }

        ForEverySet((compute, name) =>
        {
            using var straight = new Matrix(rank, columns);
            using var transposed = new Matrix(columns, rank);
            for (int j = 0; j < rank; j++)
            {
                for (int c = 0; c < columns; c++)
                {
                    straight.Row(j)[c] = transposed.Row(c)[j] = start.Row(j)[c];
                }
            }

            compute.AddOuterProducts(narrow.Data, rank, wide.Data, columns, depth, straight.Data);
            compute.AddOuterProductsTransposed(narrow.Data, rank, wide.Data, columns, depth, transposed.Data);
            for (int j = 0; j < rank; j++)
            {
                for (int c = 0; c < columns; c++)
                {
                    Assert.True(expected[(j * columns) + c] == straight.Row(j)[c], $"{name}, {j}, {c}");
                    Assert.True(expected[(j * columns) + c] == transposed.Row(c)[j], $"{name}, transposed, {j}, {c}");
                }
            }
        });
    }

    [Fact]
    public void Multiply_OfOneRow_EqualsThatRowInABatch()
    {
        const int Rows = 29, Depth = 300, Width = 100;
        using Matrix a = Values.Random(Rows, Depth, 1);
        using Matrix weight = Values.Random(Width, Depth, 2);
        using var packed = new PackedMatrix(Depth, Width);
        packed.PackTransposed(weight.Data, Depth);
        ForEverySet((compute, name) =>
        {
            using var batch = new Matrix(Rows, Width);
            using var alone = new Matrix(1, Width);
            compute.Multiply(a.Data, Depth, Rows, packed, batch.Data, Width, accumulate: false);
            for (int row = 0; row < Rows; row++)
            {
                compute.Multiply(a.Data + (row * Depth), Depth, 1, packed, alone.Data, Width, accumulate: false);
                Assert.True(batch.Row(row).SequenceEqual(alone.Row(0)), $"{name}, row {row}");
            }
        });
    }

    [Theory]
    [InlineData(5, 7)]
    [InlineData(33, 48)]
    [InlineData(18, 31)]
    public void Pack_AndPackTransposed_OfTheTranspose_GiveTheSamePanels(int depth, int width)
    {
        using Matrix source = Values.Random(depth, width, 1);
        using var transpose = new Matrix(width, depth);
        for (int k = 0; k < depth; k++)
        {
            for (int j = 0; j < width; j++)
            {
                transpose.Row(j)[k] = source.Row(k)[j];
            }
        }

        using var compute = new Compute(2);
        using var straight = new PackedMatrix(depth, width);
        using var transposed = new PackedMatrix(depth, width);
        using var onTheTeam = new PackedMatrix(depth, width);
        straight.Pack(source.Data, width);
        transposed.PackTransposed(transpose.Data, depth);
        compute.PackTransposed(onTheTeam, transpose.Data, depth);
        ReadOnlySpan<float> expected = new(straight.Data, (int)(straight.Bytes / sizeof(float)));
        for (int j = 0; j < straight.Panels * PackedMatrix.PanelWidth; j++)
        {
            for (int k = 0; k < depth; k++)
            {
                float value = expected[(j / 16 * depth * 16) + (k * 16) + (j % 16)];
                Assert.Equal(j < width ? source.Row(k)[j] : 0f, value);
            }
        }

        Assert.True(expected.SequenceEqual(new(transposed.Data, expected.Length)));
        Assert.True(expected.SequenceEqual(new(onTheTeam.Data, expected.Length)));
    }

    [Fact]
    public void Multiply_WithTooSmallAStride_IsRefused()
    {
        using var compute = new Compute(1);
        using var packed = new PackedMatrix(8, 8);
        using var x = new Matrix(1, 8);
        Assert.Throws<ArgumentOutOfRangeException>(() => compute.Multiply(x.Data, 7, 1, packed, x.Data, 8, accumulate: false));
    }

    private static void ForEverySet(Action<Compute, string> check)
    {
        foreach (ITheoryDataRow row in Sets())
        {
            (string name, int threads) = ((string)row.GetData()[0]!, (int)row.GetData()[1]!);
            using var compute = new Compute(threads, Kernels.Choose(name));
            check(compute, $"{name} on {threads} threads");
        }
    }
}
