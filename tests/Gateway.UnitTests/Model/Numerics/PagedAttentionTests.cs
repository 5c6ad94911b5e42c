using System.Runtime.InteropServices;
using Gateway.Model.Numerics;
using Xunit;

namespace Gateway.UnitTests.Model.Numerics;

public sealed unsafe class PagedAttentionTests
{
    private const int Rows = 149;
    private const int BlockCount = 12;

    [Theory]
    [InlineData(4, 2, 8, false)]
    [InlineData(3, 1, 64, false)]
    [InlineData(2, 2, 40, false)]
    [InlineData(7, 1, 72, false)]
    [InlineData(9, 3, 64, true)]
    public void PagedAttention_MatchesTheDefinition_AndEveryCutIntoTilesHasTheSameBits(int heads, int kvHeads, int d, bool bfloat16)
    {
        using var attention = new AttentionCase(Rows, heads, kvHeads, d, [0, Rows]);
        if (bfloat16)
        {
            RoundToBfloat16(attention.K);
            RoundToBfloat16(attention.V);
        }

        double[] expected = attention.Reference(Values.Doubles(attention.Q), Values.Doubles(attention.K), Values.Doubles(attention.V));
        int[] blocks = [6, 0, 3, 5, 11, 2, 1, 9, 8, 10];
        int[]? bits = null;

        // Frequencies of zero turn nothing: queries and keys stay what the reference has seen.
        using var rope = new RopeTable(Rows, d, new double[d / 2]);
        var fresh = new FreshKeys(attention.K.Data, attention.V.Data, rope);
        var shape = new PagedSlab(0, 0, kvHeads, d, bfloat16);
        var memory = (byte*)NativeMemory.AlignedAlloc((nuint)(BlockCount * (shape.KeyBlockBytes + shape.ValueBlockBytes)), 64);
        try
        {
            fixed (int* block = blocks)
            {
                PagedRow[] rows = new PagedRow[Rows];
                for (int row = 0; row < Rows; row++)
                {
                    rows[row] = new PagedRow(block, row);
                }

                foreach (Kernels kernels in Kernels.Available)
                {
                    // What lies beyond the last token must not matter, unless it is read as a number at all.
                    new Span<float>(memory, (int)(BlockCount * (shape.KeyBlockBytes + shape.ValueBlockBytes) / sizeof(float))).Fill(float.NaN);
                    PagedSlab slab = shape with { Keys = (nint)memory, Values = (nint)memory + (BlockCount * shape.KeyBlockBytes) };
                    using var compute = new Compute(3, kernels);
                    compute.RotateAndStore(attention.Q.Data, heads, fresh, rows, slab);
                    foreach (int tileRows in (int[])[PagedTile.MaximumRows, 1, 5])
                    {
                        attention.O.Span.Clear();
                        compute.PagedAttention(attention.Q.Data, heads, Tiles(tileRows), rows, slab, default, attention.O.Data);
                        Values.AssertNear(expected, attention.O, 2e-5);
                        bits ??= Values.Bits(attention.O);
                        Assert.Equal(bits, Values.Bits(attention.O));
                    }

                    // Tiles that store their own keys, one after the other, over a cache that has none.
                    new Span<float>(memory, (int)(BlockCount * (shape.KeyBlockBytes + shape.ValueBlockBytes) / sizeof(float))).Fill(float.NaN);
                    attention.O.Span.Clear();
                    foreach (PagedTile tile in Tiles(5))
                    {
                        compute.PagedAttention(attention.Q.Data, heads, [tile], rows, slab, fresh, attention.O.Data);
                    }

                    Assert.Equal(bits, Values.Bits(attention.O));
                }
            }
        }
        finally
        {
            NativeMemory.AlignedFree(memory);
        }
    }

    private static PagedTile[] Tiles(int rows) =>
        [.. Enumerable.Range(0, (Rows + rows - 1) / rows).Select(tile => new PagedTile(tile * rows, Math.Min(rows, Rows - (tile * rows))))];

    private static void RoundToBfloat16(Matrix matrix)
    {
        foreach (ref float value in matrix.Span)
        {
            value = Bfloat16Matrix.ToSingle(Bfloat16Matrix.FromSingle(value));
        }
    }
}
