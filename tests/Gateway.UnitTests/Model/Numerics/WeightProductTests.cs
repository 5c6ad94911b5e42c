using Gateway.Model.Numerics;
using Gateway.Model.Weights;
using Xunit;

namespace Gateway.UnitTests.Model.Numerics;

public sealed unsafe class WeightProductTests
{
    [Theory]
    [InlineData(WeightFormat.F32, 1e-6)]
    [InlineData(WeightFormat.BF16, 0.004)]
    [InlineData(WeightFormat.Int8, 0.006)]
    [InlineData(WeightFormat.Int4, 0.09)]
    public void ReadColumn_GivesBackTheWeightsWithinTheFormatsError(WeightFormat format, double error)
    {
        using Matrix weights = Values.Random(37, 100, 1);
        using WeightMatrix packed = LinearWeights.Create(100, 37, format);
        packed.PackTransposed(weights.Data, 100);
        Span<float> read = stackalloc float[100];
        double squares = 0, errors = 0;
        for (int row = 0; row < 37; row++)
        {
            packed.ReadColumn(row, read);
            for (int k = 0; k < 100; k++)
            {
                errors += Math.Pow(read[k] - weights.Row(row)[k], 2);
                squares += Math.Pow(weights.Row(row)[k], 2);
            }
        }

        Assert.InRange(Math.Sqrt(errors / squares), 0, error);
    }

    [Theory]
    [InlineData(WeightFormat.F32, 64, 48)]
    [InlineData(WeightFormat.BF16, 300, 37)]
    [InlineData(WeightFormat.BF16, 64, 512)]
    [InlineData(WeightFormat.Int8, 64, 48)]
    [InlineData(WeightFormat.Int8, 100, 37)]
    [InlineData(WeightFormat.Int8, 576, 960)]
    [InlineData(WeightFormat.Int4, 32, 16)]
    [InlineData(WeightFormat.Int4, 100, 37)]
    [InlineData(WeightFormat.Int4, 576, 960)]
    public void EverySet_EveryBatch_AndEveryThreadCountGiveTheBitsOfTheScalarReference(WeightFormat format, int depth, int width)
    {
        const int Rows = 23;
        using Matrix weights = Values.Random(width, depth, 2);
        using Matrix x = Values.Random(Rows, depth, 3);
        using Matrix start = Values.Random(Rows, width, 4);
        using WeightMatrix packed = LinearWeights.Create(depth, width, format);
        packed.PackTransposed(weights.Data, depth);
        foreach (bool accumulate in (bool[])[false, true])
        {
            using Matrix expected = Multiply(Kernels.Scalar, 1, x, 0, Rows, packed, start, accumulate);
            foreach (Kernels kernels in Kernels.Available)
            {
                foreach (int rows in (int[])[1, 2, 3, 4, 5, 6, 7, 8, 12, 16, Rows])
                {
                    using Matrix result = Multiply(kernels, 1 + (rows % 3), x, Rows - rows, rows, packed, start, accumulate);
                    for (int row = 0; row < rows; row++)
                    {
                        Assert.True(result.Row(row).SequenceEqual(expected.Row(Rows - rows + row)), $"{kernels.Name}, {rows} rows, row {row}");
                    }
                }
            }
        }
    }

    [Theory]
    [InlineData(WeightFormat.Int8, 2e-2)]
    [InlineData(WeightFormat.Int4, 2e-2)]
    public void QuantizedProducts_AreNearTheProductOfTheWeightsTheyHold(WeightFormat format, double tolerance)
    {
        using Matrix weights = Values.Random(64, 576, 5);
        using Matrix x = Values.Random(3, 576, 6);
        using Matrix start = new(3, 64);
        using WeightMatrix packed = LinearWeights.Create(576, 64, format);
        packed.PackTransposed(weights.Data, 576);
        using Matrix result = Multiply(Kernels.Best, 2, x, 0, 3, packed, start, accumulate: false);
        Span<float> held = stackalloc float[576];
        for (int column = 0; column < 64; column++)
        {
            packed.ReadColumn(column, held);
            for (int row = 0; row < 3; row++)
            {
                double sum = 0, size = 0;
                for (int k = 0; k < 576; k++)
                {
                    sum += (double)held[k] * x.Row(row)[k];
                    size += Math.Pow((double)held[k] * x.Row(row)[k], 2);
                }

                // Rounding errors of activations are independent: they grow with the root of the sum of squares.
                Assert.InRange(result.Row(row)[column] - sum, -tolerance * Math.Sqrt(size), tolerance * Math.Sqrt(size));
            }
        }
    }

    [Theory]
    [InlineData(WeightFormat.Int8)]
    [InlineData(WeightFormat.Int4)]
    public void TilesWithoutVnni_GiveTheSameBits(WeightFormat format)
    {
        if (Kernels.Available.FirstOrDefault(kernels => kernels.Name == "avx2") is not { } avx2)
        {
            return;
        }

        bool fourBits = format == WeightFormat.Int4;
        using Matrix weights = Values.Random(48, 192, 7);
        using Matrix x = Values.Random(23, 192, 8);
        using Matrix expected = new(23, 48);
        using WeightMatrix packed = LinearWeights.Create(192, 48, format);
        packed.PackTransposed(weights.Data, 192);
        using Scratch referenceMemory = new(), memory = new();
        QuantizedRows reference = Quantize(Kernels.Scalar, x, fourBits, numberBytes: 1, referenceMemory);
        QuantizedRows rows = Quantize(avx2, x, fourBits, fourBits ? Avx2Int4Tiles.ActivationBytes : Avx2Int8Tiles.ActivationBytes, memory);
        Kernels.Scalar.MultiplyQuantized(reference, 0, 23, fourBits, packed.Memory, packed.PanelBytes, 48, expected.Data, 48, accumulate: false, default);
        for (int count = 1; count <= 23; count++)
        {
            int first = 23 - count;
            using Matrix result = new(23, 48);
            float* target = result.Data + (first * 48);
            if (fourBits)
            {
                QuantizedProduct<Avx2Int4Tiles>.Multiply(rows, first, count, packed.Memory, packed.PanelBytes, 48, target, 48, accumulate: false, default);
            }
            else
            {
                QuantizedProduct<Avx2Int8Tiles>.Multiply(rows, first, count, packed.Memory, packed.PanelBytes, 48, target, 48, accumulate: false, default);
            }

            Assert.Equal(Values.Bits(expected)[(first * 48)..], Values.Bits(result)[(first * 48)..]);
        }
    }

    /// <summary>Sums of products of the largest numbers fit no fewer bits than the tiles give them.</summary>
    [Theory]
    [InlineData(WeightFormat.Int8, -127f, 127f)]
    [InlineData(WeightFormat.Int4, -8f, 7f)]
    public void QuantizedProducts_OfExtremeNumbers_AreExact(WeightFormat format, float least, float most)
    {
        const int Depth = 192, Width = 32, Rows = 9;
        using Matrix weights = new(Width, Depth), x = new(Rows, Depth), zero = new(Rows, Width);
        for (int k = 0; k < Depth; k++)
        {
            for (int column = 0; column < Width; column++)
            {
                weights.Row(column)[k] = Extreme(column, k, least, most);
            }

            for (int row = 0; row < Rows; row++)
            {
                x.Row(row)[k] = Extreme(row, k, -127f, 127f);
            }
        }

        using WeightMatrix packed = LinearWeights.Create(Depth, Width, format);
        packed.PackTransposed(weights.Data, Depth);
        Span<float> held = stackalloc float[Depth];
        foreach (Kernels kernels in Kernels.Available)
        {
            using Matrix result = Multiply(kernels, 1, x, 0, Rows, packed, zero, accumulate: false);
            for (int column = 0; column < Width; column++)
            {
                packed.ReadColumn(column, held);
                Assert.True(held.SequenceEqual(weights.Row(column)), "the numbers are held as they are");
                for (int row = 0; row < Rows; row++)
                {
                    int sum = 0;
                    for (int k = 0; k < Depth; k++)
                    {
                        sum += (int)held[k] * (int)x.Row(row)[k];
                    }

                    Assert.True(sum == result.Row(row)[column], $"{kernels.Name}, row {row}, column {column}: {result.Row(row)[column]} and not {sum}");
                }
            }
        }

        // All one extreme, all the other, or changing after every 1, 2, 4.. depths; the first of every 32 depths is always the
        // least, so that a scale of one holds the numbers.
        static float Extreme(int pattern, int k, float least, float most) => k % 32 == 0 ? least : (pattern % 8) switch
        {
            0 => least,
            1 => most,
            var shift => ((k >> (shift - 2)) & 1) == 0 ? least : most,
        };
    }

    [Fact]
    public void OneJob_RunsProductsOfDifferentShapesFormatsAndScales()
    {
        using Matrix x = Values.Random(9, 96, 9);
        using Matrix weights = Values.Random(40, 96, 10);
        using WeightMatrix quantized = LinearWeights.Create(96, 40, WeightFormat.Int8);
        using WeightMatrix floats = LinearWeights.Create(96, 40, WeightFormat.BF16);
        quantized.PackTransposed(weights.Data, 96);
        floats.PackTransposed(weights.Data, 96);
        using Matrix zero = new(9, 40);
        using Matrix first = Multiply(Kernels.Best, 1, x, 0, 9, quantized, zero, accumulate: false);
        using Matrix second = Multiply(Kernels.Best, 1, x, 2, 4, floats, zero, accumulate: false);
        using Matrix a = new(9, 40), b = new(4, 40), c = new(4, 40);
        using var compute = new Compute(2);
        compute.Multiply(
        [
            new Product(x.Data, 96, 9, quantized, a.Data, 40, accumulate: false),
            new Product(x.Data + (2 * 96), 96, 4, floats, b.Data, 40, accumulate: false),
            new Product(x.Data + (2 * 96), 96, 4, floats, c.Data, 40, accumulate: false, scale: 2f),
        ]);
        Assert.Equal(Values.Bits(first), Values.Bits(a));
        Assert.True(second.Span[..(4 * 40)].SequenceEqual(b.Span));
        Assert.True(b.Span.ToArray().Select(value => 2 * value).SequenceEqual(c.Span.ToArray()), "a power of two scales exactly");
    }

    private static QuantizedRows Quantize(Kernels kernels, Matrix x, bool fourBits, int numberBytes, Scratch memory)
    {
        int groupDepth = fourBits ? Int4Format.GroupDepth : Int8Format.GroupDepth;
        float* block = memory.Reserve((QuantizedRows.BytesFor(x.Rows, x.Columns, groupDepth, numberBytes) / sizeof(float)) + 1);
        var rows = QuantizedRows.Over(block, x.Rows, x.Columns, groupDepth, numberBytes);
        for (int row = 0; row < x.Rows; row++)
        {
            kernels.QuantizeRow(x.Data + (row * x.Columns), x.Columns, groupDepth, fourBits ? Int4Format.Offset : Int8Format.Offset, rows, row);
        }

        return rows;
    }

    private static Matrix Multiply(Kernels kernels, int threads, Matrix x, int firstRow, int rows, WeightMatrix weight, Matrix start, bool accumulate)
    {
        var result = new Matrix(start.Rows, weight.Width);
        for (int row = 0; row < rows; row++)
        {
            start.Row(firstRow + row).CopyTo(result.Row(row));
        }

        using var compute = new Compute(threads, kernels);
        compute.Multiply([new Product(x.Data + (firstRow * x.Columns), x.Columns, rows, weight, result.Data, weight.Width, accumulate)]);
        return result;
    }
}
