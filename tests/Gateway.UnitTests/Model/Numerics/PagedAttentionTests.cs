using Gateway.Model.Numerics;
using Xunit;

namespace Gateway.UnitTests.Model.Numerics;

public sealed unsafe class PagedAttentionTests
{
    private const int Rows = 53;

    [Theory]
    [InlineData(4, 2, 8)]
    [InlineData(3, 1, 64)]
    [InlineData(2, 2, 40)]
    public void PagedAttention_MatchesTheDefinition_AndARowAloneHasTheSameBits(int heads, int kvHeads, int d)
    {
        using var attention = new AttentionCase(Rows, heads, kvHeads, d, [0, Rows]);
        int[] blocks = [6, 0, 3, 5];
        using var keys = new Matrix(8, kvHeads * 16 * d);
        using var values = new Matrix(8, kvHeads * 16 * d);
        for (int token = 0; token < Rows; token++)
        {
            for (int head = 0; head < kvHeads; head++)
            {
                int offset = ((head * 16) + (token % 16)) * d;
                attention.K.Row(token).Slice(head * d, d).CopyTo(keys.Row(blocks[token / 16])[offset..]);
                attention.V.Row(token).Slice(head * d, d).CopyTo(values.Row(blocks[token / 16])[offset..]);
            }
        }

        double[] expected = attention.Reference(Values.Doubles(attention.Q), Values.Doubles(attention.K), Values.Doubles(attention.V));
        int[]? bits = null;
        fixed (int* block = blocks)
        {
            var rows = new PagedRow[Rows];
            for (int row = 0; row < Rows; row++)
            {
                rows[row] = new PagedRow(block, row);
            }

            foreach (Kernels kernels in Kernels.Available)
            {
                using var compute = new Compute(3, kernels);
                compute.PagedAttention(attention.Q.Data, Rows, heads, kvHeads, d, rows, keys.Data, values.Data, attention.O.Data);
                Values.AssertNear(expected, attention.O, 2e-5);
                bits ??= Values.Bits(attention.O);
                Assert.Equal(bits, Values.Bits(attention.O));
                using var alone = new Matrix(1, heads * d);
                for (int row = 0; row < Rows; row++)
                {
                    compute.PagedAttention(attention.Q.Data + (row * heads * d), 1, heads, kvHeads, d, rows.AsSpan(row, 1), keys.Data, values.Data, alone.Data);
                    Assert.True(attention.O.Row(row).SequenceEqual(alone.Row(0)), $"{kernels.Name}, row {row}");
                }
            }
        }
    }
}
