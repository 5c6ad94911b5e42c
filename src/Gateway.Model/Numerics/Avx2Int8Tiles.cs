using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Gateway.Model.Numerics;

/// <summary>8-bit weights on AVX2 without a byte dot product: 16-bit numbers, two products to a 32-bit lane.</summary>
/// <remarks>
/// Pairs of products of 0..255 and −127..127 do not fit 16 bits, so both sides are widened: activations when they are
/// quantized, weights by a mask (depths 0 and 2 of a quadruple) and a shift (depths 1 and 3), once for all rows of a
/// tile. A lane belongs to one output, hence nothing has to be added across lanes. Two vectors of weights, one of
/// activations, a product, the mask and two sums per row fill the 16 registers with 5 rows; six would spill.
/// </remarks>
internal readonly unsafe struct Avx2Int8Tiles : IQuantizedTiles
{
    public static int ActivationBytes => sizeof(short);

    public static int FetchedBytes => 64;

    /// <remarks>Fives as long as there are many, then as many as leave whole fours.</remarks>
    public static int TileRows(int left) => left switch
    {
        >= 20 or 5 or 7 => 5,
        4 or 6 or 8 or 12 or 16 => 4,
        > 8 => 5,
        >= 2 => 2,
        _ => 1,
    };

    public static void Tile(int rows, in QuantizedRows x, int row, byte* panel, byte* ahead, nint aheadStep, float* sums)
    {
        switch (rows)
        {
            case 5:
                Tile5(x, row, panel, ahead, aheadStep, sums);
                break;
            case 4:
                Tile4(x, row, panel, ahead, aheadStep, sums);
                break;
            case 2:
                Tile2(x, row, panel, ahead, aheadStep, sums);
                break;
            default:
                Tile1(x, row, panel, ahead, aheadStep, sums);
                break;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<short> Pair(sbyte* two) => Vector256.Create(*(int*)two).AsInt16();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<short> Even(byte* source) => Vector256.Load(source).AsInt16() & Vector256.Create((short)255);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<short> Odd(byte* source) => Vector256.ShiftRightLogical(Vector256.Load(source).AsUInt16(), 8).AsInt16();

    /// <summary>5 rows × 16 columns.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    private static void Tile5(in QuantizedRows x, int row, byte* panel, byte* ahead, nint aheadStep, float* sums)
    {
        nint groups = x.Groups;
        nint stride = x.Stride;
        sbyte* a0 = x.Row(row);
        sbyte* a3 = a0 + (3 * stride);
        float* scales = x.RowScales(row);
        int* corrections = x.RowCorrections(row);
        for (nint group = 0; group < groups; group++)
        {
            Vector256<int> left0 = Vector256.Create(corrections[group]), right0 = left0;
            Vector256<int> left1 = Vector256.Create(corrections[groups + group]), right1 = left1;
            Vector256<int> left2 = Vector256.Create(corrections[(2 * groups) + group]), right2 = left2;
            Vector256<int> left3 = Vector256.Create(corrections[(3 * groups) + group]), right3 = left3;
            Vector256<int> left4 = Vector256.Create(corrections[(4 * groups) + group]), right4 = left4;
            byte* end = panel + Int8Format.GroupBytes;
            for (; panel < end; panel += 64)
            {
                Sse.Prefetch0(ahead);
                ahead += aheadStep;
                Vector256<short> leftWeights = Even(panel), rightWeights = Even(panel + 32);
                Vector256<short> even0 = Pair(a0);
                left0 += Avx2.MultiplyAddAdjacent(leftWeights, even0);
                right0 += Avx2.MultiplyAddAdjacent(rightWeights, even0);
                Vector256<short> even1 = Pair(a0 + stride);
                left1 += Avx2.MultiplyAddAdjacent(leftWeights, even1);
                right1 += Avx2.MultiplyAddAdjacent(rightWeights, even1);
                Vector256<short> even2 = Pair(a0 + (2 * stride));
                left2 += Avx2.MultiplyAddAdjacent(leftWeights, even2);
                right2 += Avx2.MultiplyAddAdjacent(rightWeights, even2);
                Vector256<short> even3 = Pair(a3);
                left3 += Avx2.MultiplyAddAdjacent(leftWeights, even3);
                right3 += Avx2.MultiplyAddAdjacent(rightWeights, even3);
                Vector256<short> even4 = Pair(a3 + stride);
                left4 += Avx2.MultiplyAddAdjacent(leftWeights, even4);
                right4 += Avx2.MultiplyAddAdjacent(rightWeights, even4);
                leftWeights = Odd(panel);
                rightWeights = Odd(panel + 32);
                Vector256<short> odd0 = Pair(a0 + 4);
                left0 += Avx2.MultiplyAddAdjacent(leftWeights, odd0);
                right0 += Avx2.MultiplyAddAdjacent(rightWeights, odd0);
                Vector256<short> odd1 = Pair(a0 + stride + 4);
                left1 += Avx2.MultiplyAddAdjacent(leftWeights, odd1);
                right1 += Avx2.MultiplyAddAdjacent(rightWeights, odd1);
                Vector256<short> odd2 = Pair(a0 + (2 * stride) + 4);
                left2 += Avx2.MultiplyAddAdjacent(leftWeights, odd2);
                right2 += Avx2.MultiplyAddAdjacent(rightWeights, odd2);
                Vector256<short> odd3 = Pair(a3 + 4);
                left3 += Avx2.MultiplyAddAdjacent(leftWeights, odd3);
                right3 += Avx2.MultiplyAddAdjacent(rightWeights, odd3);
                Vector256<short> odd4 = Pair(a3 + stride + 4);
                left4 += Avx2.MultiplyAddAdjacent(leftWeights, odd4);
                right4 += Avx2.MultiplyAddAdjacent(rightWeights, odd4);
                a0 += 8;
                a3 += 8;
            }

            Vector256<float> leftScale = GroupSums.Scales(panel), rightScale = GroupSums.Scales(panel + 16);
            panel += 32;
            GroupSums.Add(left0, right0, leftScale, rightScale, scales[group], sums);
            GroupSums.Add(left1, right1, leftScale, rightScale, scales[groups + group], sums + 16);
            GroupSums.Add(left2, right2, leftScale, rightScale, scales[(2 * groups) + group], sums + 32);
            GroupSums.Add(left3, right3, leftScale, rightScale, scales[(3 * groups) + group], sums + 48);
            GroupSums.Add(left4, right4, leftScale, rightScale, scales[(4 * groups) + group], sums + 64);
        }
    }

    /// <summary>4 rows × 16 columns.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    private static void Tile4(in QuantizedRows x, int row, byte* panel, byte* ahead, nint aheadStep, float* sums)
    {
        nint groups = x.Groups;
        nint stride = x.Stride;
        sbyte* a0 = x.Row(row);
        sbyte* a3 = a0 + (3 * stride);
        float* scales = x.RowScales(row);
        int* corrections = x.RowCorrections(row);
        for (nint group = 0; group < groups; group++)
        {
            Vector256<int> left0 = Vector256.Create(corrections[group]), right0 = left0;
            Vector256<int> left1 = Vector256.Create(corrections[groups + group]), right1 = left1;
            Vector256<int> left2 = Vector256.Create(corrections[(2 * groups) + group]), right2 = left2;
            Vector256<int> left3 = Vector256.Create(corrections[(3 * groups) + group]), right3 = left3;
            byte* end = panel + Int8Format.GroupBytes;
            for (; panel < end; panel += 64)
            {
                Sse.Prefetch0(ahead);
                ahead += aheadStep;
                Vector256<short> leftWeights = Even(panel), rightWeights = Even(panel + 32);
                Vector256<short> even0 = Pair(a0);
                left0 += Avx2.MultiplyAddAdjacent(leftWeights, even0);
                right0 += Avx2.MultiplyAddAdjacent(rightWeights, even0);
                Vector256<short> even1 = Pair(a0 + stride);
                left1 += Avx2.MultiplyAddAdjacent(leftWeights, even1);
                right1 += Avx2.MultiplyAddAdjacent(rightWeights, even1);
                Vector256<short> even2 = Pair(a0 + (2 * stride));
                left2 += Avx2.MultiplyAddAdjacent(leftWeights, even2);
                right2 += Avx2.MultiplyAddAdjacent(rightWeights, even2);
                Vector256<short> even3 = Pair(a3);
                left3 += Avx2.MultiplyAddAdjacent(leftWeights, even3);
                right3 += Avx2.MultiplyAddAdjacent(rightWeights, even3);
                leftWeights = Odd(panel);
                rightWeights = Odd(panel + 32);
                Vector256<short> odd0 = Pair(a0 + 4);
                left0 += Avx2.MultiplyAddAdjacent(leftWeights, odd0);
                right0 += Avx2.MultiplyAddAdjacent(rightWeights, odd0);
                Vector256<short> odd1 = Pair(a0 + stride + 4);
                left1 += Avx2.MultiplyAddAdjacent(leftWeights, odd1);
                right1 += Avx2.MultiplyAddAdjacent(rightWeights, odd1);
                Vector256<short> odd2 = Pair(a0 + (2 * stride) + 4);
                left2 += Avx2.MultiplyAddAdjacent(leftWeights, odd2);
                right2 += Avx2.MultiplyAddAdjacent(rightWeights, odd2);
                Vector256<short> odd3 = Pair(a3 + 4);
                left3 += Avx2.MultiplyAddAdjacent(leftWeights, odd3);
                right3 += Avx2.MultiplyAddAdjacent(rightWeights, odd3);
                a0 += 8;
                a3 += 8;
            }

            Vector256<float> leftScale = GroupSums.Scales(panel), rightScale = GroupSums.Scales(panel + 16);
            panel += 32;
            GroupSums.Add(left0, right0, leftScale, rightScale, scales[group], sums);
            GroupSums.Add(left1, right1, leftScale, rightScale, scales[groups + group], sums + 16);
            GroupSums.Add(left2, right2, leftScale, rightScale, scales[(2 * groups) + group], sums + 32);
            GroupSums.Add(left3, right3, leftScale, rightScale, scales[(3 * groups) + group], sums + 48);
        }
    }

    /// <summary>2 rows × 16 columns.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    private static void Tile2(in QuantizedRows x, int row, byte* panel, byte* ahead, nint aheadStep, float* sums)
    {
        nint groups = x.Groups;
        nint stride = x.Stride;
        sbyte* a0 = x.Row(row);
        float* scales = x.RowScales(row);
        int* corrections = x.RowCorrections(row);
        for (nint group = 0; group < groups; group++)
        {
            Vector256<int> left0 = Vector256.Create(corrections[group]), right0 = left0;
            Vector256<int> left1 = Vector256.Create(corrections[groups + group]), right1 = left1;
            byte* end = panel + Int8Format.GroupBytes;
            for (; panel < end; panel += 64)
            {
                Sse.Prefetch0(ahead);
                ahead += aheadStep;
                Vector256<short> leftWeights = Even(panel), rightWeights = Even(panel + 32);
                Vector256<short> even0 = Pair(a0);
                left0 += Avx2.MultiplyAddAdjacent(leftWeights, even0);
                right0 += Avx2.MultiplyAddAdjacent(rightWeights, even0);
                Vector256<short> even1 = Pair(a0 + stride);
                left1 += Avx2.MultiplyAddAdjacent(leftWeights, even1);
                right1 += Avx2.MultiplyAddAdjacent(rightWeights, even1);
                leftWeights = Odd(panel);
                rightWeights = Odd(panel + 32);
                Vector256<short> odd0 = Pair(a0 + 4);
                left0 += Avx2.MultiplyAddAdjacent(leftWeights, odd0);
                right0 += Avx2.MultiplyAddAdjacent(rightWeights, odd0);
                Vector256<short> odd1 = Pair(a0 + stride + 4);
                left1 += Avx2.MultiplyAddAdjacent(leftWeights, odd1);
                right1 += Avx2.MultiplyAddAdjacent(rightWeights, odd1);
                a0 += 8;
            }

            Vector256<float> leftScale = GroupSums.Scales(panel), rightScale = GroupSums.Scales(panel + 16);
            panel += 32;
            GroupSums.Add(left0, right0, leftScale, rightScale, scales[group], sums);
            GroupSums.Add(left1, right1, leftScale, rightScale, scales[groups + group], sums + 16);
        }
    }

    /// <summary>1 row × 16 columns.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    private static void Tile1(in QuantizedRows x, int row, byte* panel, byte* ahead, nint aheadStep, float* sums)
    {
        nint groups = x.Groups;
        sbyte* a0 = x.Row(row);
        float* scales = x.RowScales(row);
        int* corrections = x.RowCorrections(row);
        for (nint group = 0; group < groups; group++)
        {
            Vector256<int> left0 = Vector256.Create(corrections[group]), right0 = left0;
            byte* end = panel + Int8Format.GroupBytes;
            for (; panel < end; panel += 64)
            {
                Sse.Prefetch0(ahead);
                ahead += aheadStep;
                Vector256<short> leftWeights = Even(panel), rightWeights = Even(panel + 32);
                Vector256<short> even0 = Pair(a0);
                left0 += Avx2.MultiplyAddAdjacent(leftWeights, even0);
                right0 += Avx2.MultiplyAddAdjacent(rightWeights, even0);
                leftWeights = Odd(panel);
                rightWeights = Odd(panel + 32);
                Vector256<short> odd0 = Pair(a0 + 4);
                left0 += Avx2.MultiplyAddAdjacent(leftWeights, odd0);
                right0 += Avx2.MultiplyAddAdjacent(rightWeights, odd0);
                a0 += 8;
            }

            Vector256<float> leftScale = GroupSums.Scales(panel), rightScale = GroupSums.Scales(panel + 16);
            panel += 32;
            GroupSums.Add(left0, right0, leftScale, rightScale, scales[group], sums);
        }
    }
}
