using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Gateway.Model.Numerics;

/// <summary>4-bit weights on AVX2: a whole group is added up in 16 bits, and pairs of lanes only at its end.</summary>
/// <remarks>A lane gets eight pairs of products of 0..15 and −127..127: at most 30,480 in size, which 16 bits hold.</remarks>
internal readonly unsafe struct Avx2Int4Tiles : IQuantizedTiles
{
    public static int ActivationBytes => sizeof(sbyte);

    public static int FetchedBytes => 64;

    public static int TileRows(int left) => Avx2Int8Tiles.TileRows(left);

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
    private static Vector256<sbyte> Broadcast(sbyte* four) => Vector256.Create(*(int*)four).AsSByte();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Add(Vector256<short> left, Vector256<short> right, int correction, Vector256<float> leftScale, Vector256<float> rightScale, float scale, float* sums)
    {
        Vector256<int> start = Vector256.Create(correction);
        Vector256<int> leftDot = start + Avx2.MultiplyAddAdjacent(left, Vector256<short>.One);
        Vector256<int> rightDot = start + Avx2.MultiplyAddAdjacent(right, Vector256<short>.One);
        GroupSums.Add(leftDot, rightDot, leftScale, rightScale, scale, sums);
    }

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
            Vector256<short> left0 = Vector256<short>.Zero, right0 = left0;
            Vector256<short> left1 = Vector256<short>.Zero, right1 = left1;
            Vector256<short> left2 = Vector256<short>.Zero, right2 = left2;
            Vector256<short> left3 = Vector256<short>.Zero, right3 = left3;
            Vector256<short> left4 = Vector256<short>.Zero, right4 = left4;
            byte* end = panel + Int4Format.GroupBytes;
            for (; panel < end; panel += 64)
            {
                Sse.Prefetch0(ahead);
                ahead += aheadStep;
                Vector256<byte> leftWeights = Int4Format.Load(panel, 0), rightWeights = Int4Format.Load(panel + 32, 0);
                Vector256<sbyte> low0 = Broadcast(a0);
                left0 += Avx2.MultiplyAddAdjacent(leftWeights, low0);
                right0 += Avx2.MultiplyAddAdjacent(rightWeights, low0);
                Vector256<sbyte> low1 = Broadcast(a0 + stride);
                left1 += Avx2.MultiplyAddAdjacent(leftWeights, low1);
                right1 += Avx2.MultiplyAddAdjacent(rightWeights, low1);
                Vector256<sbyte> low2 = Broadcast(a0 + (2 * stride));
                left2 += Avx2.MultiplyAddAdjacent(leftWeights, low2);
                right2 += Avx2.MultiplyAddAdjacent(rightWeights, low2);
                Vector256<sbyte> low3 = Broadcast(a3);
                left3 += Avx2.MultiplyAddAdjacent(leftWeights, low3);
                right3 += Avx2.MultiplyAddAdjacent(rightWeights, low3);
                Vector256<sbyte> low4 = Broadcast(a3 + stride);
                left4 += Avx2.MultiplyAddAdjacent(leftWeights, low4);
                right4 += Avx2.MultiplyAddAdjacent(rightWeights, low4);
                leftWeights = Int4Format.Load(panel, 1);
                rightWeights = Int4Format.Load(panel + 32, 1);
                Vector256<sbyte> high0 = Broadcast(a0 + Int4Format.PartDepth);
                left0 += Avx2.MultiplyAddAdjacent(leftWeights, high0);
                right0 += Avx2.MultiplyAddAdjacent(rightWeights, high0);
                Vector256<sbyte> high1 = Broadcast(a0 + stride + Int4Format.PartDepth);
                left1 += Avx2.MultiplyAddAdjacent(leftWeights, high1);
                right1 += Avx2.MultiplyAddAdjacent(rightWeights, high1);
                Vector256<sbyte> high2 = Broadcast(a0 + (2 * stride) + Int4Format.PartDepth);
                left2 += Avx2.MultiplyAddAdjacent(leftWeights, high2);
                right2 += Avx2.MultiplyAddAdjacent(rightWeights, high2);
                Vector256<sbyte> high3 = Broadcast(a3 + Int4Format.PartDepth);
                left3 += Avx2.MultiplyAddAdjacent(leftWeights, high3);
                right3 += Avx2.MultiplyAddAdjacent(rightWeights, high3);
                Vector256<sbyte> high4 = Broadcast(a3 + stride + Int4Format.PartDepth);
                left4 += Avx2.MultiplyAddAdjacent(leftWeights, high4);
                right4 += Avx2.MultiplyAddAdjacent(rightWeights, high4);
                a0 += 4;
                a3 += 4;
            }

            a0 += Int4Format.PartDepth;
            a3 += Int4Format.PartDepth;
            Vector256<float> leftScale = GroupSums.Scales(panel), rightScale = GroupSums.Scales(panel + 16);
            panel += 32;
            Add(left0, right0, corrections[group], leftScale, rightScale, scales[group], sums);
            Add(left1, right1, corrections[groups + group], leftScale, rightScale, scales[groups + group], sums + 16);
            Add(left2, right2, corrections[(2 * groups) + group], leftScale, rightScale, scales[(2 * groups) + group], sums + 32);
            Add(left3, right3, corrections[(3 * groups) + group], leftScale, rightScale, scales[(3 * groups) + group], sums + 48);
            Add(left4, right4, corrections[(4 * groups) + group], leftScale, rightScale, scales[(4 * groups) + group], sums + 64);
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
            Vector256<short> left0 = Vector256<short>.Zero, right0 = left0;
            Vector256<short> left1 = Vector256<short>.Zero, right1 = left1;
            Vector256<short> left2 = Vector256<short>.Zero, right2 = left2;
            Vector256<short> left3 = Vector256<short>.Zero, right3 = left3;
            byte* end = panel + Int4Format.GroupBytes;
            for (; panel < end; panel += 64)
            {
                Sse.Prefetch0(ahead);
                ahead += aheadStep;
                Vector256<byte> leftWeights = Int4Format.Load(panel, 0), rightWeights = Int4Format.Load(panel + 32, 0);
                Vector256<sbyte> low0 = Broadcast(a0);
                left0 += Avx2.MultiplyAddAdjacent(leftWeights, low0);
                right0 += Avx2.MultiplyAddAdjacent(rightWeights, low0);
                Vector256<sbyte> low1 = Broadcast(a0 + stride);
                left1 += Avx2.MultiplyAddAdjacent(leftWeights, low1);
                right1 += Avx2.MultiplyAddAdjacent(rightWeights, low1);
                Vector256<sbyte> low2 = Broadcast(a0 + (2 * stride));
                left2 += Avx2.MultiplyAddAdjacent(leftWeights, low2);
                right2 += Avx2.MultiplyAddAdjacent(rightWeights, low2);
                Vector256<sbyte> low3 = Broadcast(a3);
                left3 += Avx2.MultiplyAddAdjacent(leftWeights, low3);
                right3 += Avx2.MultiplyAddAdjacent(rightWeights, low3);
                leftWeights = Int4Format.Load(panel, 1);
                rightWeights = Int4Format.Load(panel + 32, 1);
                Vector256<sbyte> high0 = Broadcast(a0 + Int4Format.PartDepth);
                left0 += Avx2.MultiplyAddAdjacent(leftWeights, high0);
                right0 += Avx2.MultiplyAddAdjacent(rightWeights, high0);
                Vector256<sbyte> high1 = Broadcast(a0 + stride + Int4Format.PartDepth);
                left1 += Avx2.MultiplyAddAdjacent(leftWeights, high1);
                right1 += Avx2.MultiplyAddAdjacent(rightWeights, high1);
                Vector256<sbyte> high2 = Broadcast(a0 + (2 * stride) + Int4Format.PartDepth);
                left2 += Avx2.MultiplyAddAdjacent(leftWeights, high2);
                right2 += Avx2.MultiplyAddAdjacent(rightWeights, high2);
                Vector256<sbyte> high3 = Broadcast(a3 + Int4Format.PartDepth);
                left3 += Avx2.MultiplyAddAdjacent(leftWeights, high3);
                right3 += Avx2.MultiplyAddAdjacent(rightWeights, high3);
                a0 += 4;
                a3 += 4;
            }

            a0 += Int4Format.PartDepth;
            a3 += Int4Format.PartDepth;
            Vector256<float> leftScale = GroupSums.Scales(panel), rightScale = GroupSums.Scales(panel + 16);
            panel += 32;
            Add(left0, right0, corrections[group], leftScale, rightScale, scales[group], sums);
            Add(left1, right1, corrections[groups + group], leftScale, rightScale, scales[groups + group], sums + 16);
            Add(left2, right2, corrections[(2 * groups) + group], leftScale, rightScale, scales[(2 * groups) + group], sums + 32);
            Add(left3, right3, corrections[(3 * groups) + group], leftScale, rightScale, scales[(3 * groups) + group], sums + 48);
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
            Vector256<short> left0 = Vector256<short>.Zero, right0 = left0;
            Vector256<short> left1 = Vector256<short>.Zero, right1 = left1;
            byte* end = panel + Int4Format.GroupBytes;
            for (; panel < end; panel += 64)
            {
                Sse.Prefetch0(ahead);
                ahead += aheadStep;
                Vector256<byte> leftWeights = Int4Format.Load(panel, 0), rightWeights = Int4Format.Load(panel + 32, 0);
                Vector256<sbyte> low0 = Broadcast(a0);
                left0 += Avx2.MultiplyAddAdjacent(leftWeights, low0);
                right0 += Avx2.MultiplyAddAdjacent(rightWeights, low0);
                Vector256<sbyte> low1 = Broadcast(a0 + stride);
                left1 += Avx2.MultiplyAddAdjacent(leftWeights, low1);
                right1 += Avx2.MultiplyAddAdjacent(rightWeights, low1);
                leftWeights = Int4Format.Load(panel, 1);
                rightWeights = Int4Format.Load(panel + 32, 1);
                Vector256<sbyte> high0 = Broadcast(a0 + Int4Format.PartDepth);
                left0 += Avx2.MultiplyAddAdjacent(leftWeights, high0);
                right0 += Avx2.MultiplyAddAdjacent(rightWeights, high0);
                Vector256<sbyte> high1 = Broadcast(a0 + stride + Int4Format.PartDepth);
                left1 += Avx2.MultiplyAddAdjacent(leftWeights, high1);
                right1 += Avx2.MultiplyAddAdjacent(rightWeights, high1);
                a0 += 4;
            }

            a0 += Int4Format.PartDepth;
            Vector256<float> leftScale = GroupSums.Scales(panel), rightScale = GroupSums.Scales(panel + 16);
            panel += 32;
            Add(left0, right0, corrections[group], leftScale, rightScale, scales[group], sums);
            Add(left1, right1, corrections[groups + group], leftScale, rightScale, scales[groups + group], sums + 16);
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
            Vector256<short> left0 = Vector256<short>.Zero, right0 = left0;
            byte* end = panel + Int4Format.GroupBytes;
            for (; panel < end; panel += 64)
            {
                Sse.Prefetch0(ahead);
                ahead += aheadStep;
                Vector256<byte> leftWeights = Int4Format.Load(panel, 0), rightWeights = Int4Format.Load(panel + 32, 0);
                Vector256<sbyte> low0 = Broadcast(a0);
                left0 += Avx2.MultiplyAddAdjacent(leftWeights, low0);
                right0 += Avx2.MultiplyAddAdjacent(rightWeights, low0);
                leftWeights = Int4Format.Load(panel, 1);
                rightWeights = Int4Format.Load(panel + 32, 1);
                Vector256<sbyte> high0 = Broadcast(a0 + Int4Format.PartDepth);
                left0 += Avx2.MultiplyAddAdjacent(leftWeights, high0);
                right0 += Avx2.MultiplyAddAdjacent(rightWeights, high0);
                a0 += 4;
            }

            a0 += Int4Format.PartDepth;
            Vector256<float> leftScale = GroupSums.Scales(panel), rightScale = GroupSums.Scales(panel + 16);
            panel += 32;
            Add(left0, right0, corrections[group], leftScale, rightScale, scales[group], sums);
        }
    }
}
