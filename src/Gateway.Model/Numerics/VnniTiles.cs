using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Gateway.Model.Numerics;

/// <summary>Tiles of AVX-VNNI: one instruction multiplies and adds four unsigned and four signed bytes per lane.</summary>
/// <remarks>
/// The integers of a group fill the registers: 8 rows keep sixteen sums in flight, which hides the latency of the
/// dot-product instruction at two per cycle. The f32 sums, touched once per group, stay in memory.
/// </remarks>
internal readonly unsafe struct VnniTiles<TFormat> : IQuantizedTiles
    where TFormat : struct, IQuantizedFormat
{
    public static int ActivationBytes => sizeof(sbyte);

    public static int FetchedBytes => TFormat.GroupBytes * 4 / TFormat.GroupDepth;

    public static int TileRows(int left) => left switch
    {
        >= 13 or 8 or 9 => 8,
        >= 6 => 6,
        >= 4 => 4,
        >= 2 => 2,
        _ => 1,
    };

    public static void Tile(int rows, in QuantizedRows x, int row, byte* panel, byte* ahead, nint aheadStep, float* sums)
    {
        switch (rows)
        {
            case 8:
                Tile8(x, row, panel, ahead, aheadStep, sums);
                break;
            case 6:
                Tile6(x, row, panel, ahead, aheadStep, sums);
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

    /// <summary>8 rows × 16 columns.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Tile8(in QuantizedRows x, int row, byte* panel, byte* ahead, nint aheadStep, float* sums)
    {
        nint groups = x.Groups;
        nint stride = x.Stride;
        sbyte* a0 = x.Row(row);
        sbyte* a3 = a0 + (3 * stride);
        sbyte* a6 = a0 + (6 * stride);
        float* scales = x.RowScales(row);
        int* corrections = x.RowCorrections(row);
        for (nint group = 0; group < groups; group++)
        {
            Vector256<int> left0 = Vector256.Create(corrections[group]), right0 = left0;
            Vector256<int> left1 = Vector256.Create(corrections[groups + group]), right1 = left1;
            Vector256<int> left2 = Vector256.Create(corrections[(2 * groups) + group]), right2 = left2;
            Vector256<int> left3 = Vector256.Create(corrections[(3 * groups) + group]), right3 = left3;
            Vector256<int> left4 = Vector256.Create(corrections[(4 * groups) + group]), right4 = left4;
            Vector256<int> left5 = Vector256.Create(corrections[(5 * groups) + group]), right5 = left5;
            Vector256<int> left6 = Vector256.Create(corrections[(6 * groups) + group]), right6 = left6;
            Vector256<int> left7 = Vector256.Create(corrections[(7 * groups) + group]), right7 = left7;
            for (int part = 0; part < TFormat.Parts; part++)
            {
                byte* end = panel + TFormat.GroupBytes;
                for (byte* quad = panel; quad < end; quad += 64)
                {
                    Sse.Prefetch0(ahead);
                    ahead += aheadStep;
                    Vector256<byte> leftWeights = TFormat.Load(quad, part), rightWeights = TFormat.Load(quad + 32, part);
                    Vector256<sbyte> x0 = Broadcast(a0);
                    left0 = AvxVnni.MultiplyWideningAndAdd(left0, leftWeights, x0);
                    right0 = AvxVnni.MultiplyWideningAndAdd(right0, rightWeights, x0);
                    Vector256<sbyte> x1 = Broadcast(a0 + stride);
                    left1 = AvxVnni.MultiplyWideningAndAdd(left1, leftWeights, x1);
                    right1 = AvxVnni.MultiplyWideningAndAdd(right1, rightWeights, x1);
                    Vector256<sbyte> x2 = Broadcast(a0 + (2 * stride));
                    left2 = AvxVnni.MultiplyWideningAndAdd(left2, leftWeights, x2);
                    right2 = AvxVnni.MultiplyWideningAndAdd(right2, rightWeights, x2);
                    Vector256<sbyte> x3 = Broadcast(a3);
                    left3 = AvxVnni.MultiplyWideningAndAdd(left3, leftWeights, x3);
                    right3 = AvxVnni.MultiplyWideningAndAdd(right3, rightWeights, x3);
                    Vector256<sbyte> x4 = Broadcast(a3 + stride);
                    left4 = AvxVnni.MultiplyWideningAndAdd(left4, leftWeights, x4);
                    right4 = AvxVnni.MultiplyWideningAndAdd(right4, rightWeights, x4);
                    Vector256<sbyte> x5 = Broadcast(a3 + (2 * stride));
                    left5 = AvxVnni.MultiplyWideningAndAdd(left5, leftWeights, x5);
                    right5 = AvxVnni.MultiplyWideningAndAdd(right5, rightWeights, x5);
                    Vector256<sbyte> x6 = Broadcast(a6);
                    left6 = AvxVnni.MultiplyWideningAndAdd(left6, leftWeights, x6);
                    right6 = AvxVnni.MultiplyWideningAndAdd(right6, rightWeights, x6);
                    Vector256<sbyte> x7 = Broadcast(a6 + stride);
                    left7 = AvxVnni.MultiplyWideningAndAdd(left7, leftWeights, x7);
                    right7 = AvxVnni.MultiplyWideningAndAdd(right7, rightWeights, x7);
                    a0 += 4;
                    a3 += 4;
                    a6 += 4;
                }
            }

            panel += TFormat.GroupBytes;
            Vector256<float> leftScale = GroupSums.Scales(panel), rightScale = GroupSums.Scales(panel + 16);
            panel += 32;
            GroupSums.Add(left0, right0, leftScale, rightScale, scales[group], sums);
            GroupSums.Add(left1, right1, leftScale, rightScale, scales[groups + group], sums + 16);
            GroupSums.Add(left2, right2, leftScale, rightScale, scales[(2 * groups) + group], sums + 32);
            GroupSums.Add(left3, right3, leftScale, rightScale, scales[(3 * groups) + group], sums + 48);
            GroupSums.Add(left4, right4, leftScale, rightScale, scales[(4 * groups) + group], sums + 64);
            GroupSums.Add(left5, right5, leftScale, rightScale, scales[(5 * groups) + group], sums + 80);
            GroupSums.Add(left6, right6, leftScale, rightScale, scales[(6 * groups) + group], sums + 96);
            GroupSums.Add(left7, right7, leftScale, rightScale, scales[(7 * groups) + group], sums + 112);
        }
    }

    /// <summary>6 rows × 16 columns.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Tile6(in QuantizedRows x, int row, byte* panel, byte* ahead, nint aheadStep, float* sums)
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
            Vector256<int> left5 = Vector256.Create(corrections[(5 * groups) + group]), right5 = left5;
            for (int part = 0; part < TFormat.Parts; part++)
            {
                byte* end = panel + TFormat.GroupBytes;
                for (byte* quad = panel; quad < end; quad += 64)
                {
                    Sse.Prefetch0(ahead);
                    ahead += aheadStep;
                    Vector256<byte> leftWeights = TFormat.Load(quad, part), rightWeights = TFormat.Load(quad + 32, part);
                    Vector256<sbyte> x0 = Broadcast(a0);
                    left0 = AvxVnni.MultiplyWideningAndAdd(left0, leftWeights, x0);
                    right0 = AvxVnni.MultiplyWideningAndAdd(right0, rightWeights, x0);
                    Vector256<sbyte> x1 = Broadcast(a0 + stride);
                    left1 = AvxVnni.MultiplyWideningAndAdd(left1, leftWeights, x1);
                    right1 = AvxVnni.MultiplyWideningAndAdd(right1, rightWeights, x1);
                    Vector256<sbyte> x2 = Broadcast(a0 + (2 * stride));
                    left2 = AvxVnni.MultiplyWideningAndAdd(left2, leftWeights, x2);
                    right2 = AvxVnni.MultiplyWideningAndAdd(right2, rightWeights, x2);
                    Vector256<sbyte> x3 = Broadcast(a3);
                    left3 = AvxVnni.MultiplyWideningAndAdd(left3, leftWeights, x3);
                    right3 = AvxVnni.MultiplyWideningAndAdd(right3, rightWeights, x3);
                    Vector256<sbyte> x4 = Broadcast(a3 + stride);
                    left4 = AvxVnni.MultiplyWideningAndAdd(left4, leftWeights, x4);
                    right4 = AvxVnni.MultiplyWideningAndAdd(right4, rightWeights, x4);
                    Vector256<sbyte> x5 = Broadcast(a3 + (2 * stride));
                    left5 = AvxVnni.MultiplyWideningAndAdd(left5, leftWeights, x5);
                    right5 = AvxVnni.MultiplyWideningAndAdd(right5, rightWeights, x5);
                    a0 += 4;
                    a3 += 4;
                }
            }

            panel += TFormat.GroupBytes;
            Vector256<float> leftScale = GroupSums.Scales(panel), rightScale = GroupSums.Scales(panel + 16);
            panel += 32;
            GroupSums.Add(left0, right0, leftScale, rightScale, scales[group], sums);
            GroupSums.Add(left1, right1, leftScale, rightScale, scales[groups + group], sums + 16);
            GroupSums.Add(left2, right2, leftScale, rightScale, scales[(2 * groups) + group], sums + 32);
            GroupSums.Add(left3, right3, leftScale, rightScale, scales[(3 * groups) + group], sums + 48);
            GroupSums.Add(left4, right4, leftScale, rightScale, scales[(4 * groups) + group], sums + 64);
            GroupSums.Add(left5, right5, leftScale, rightScale, scales[(5 * groups) + group], sums + 80);
        }
    }

    /// <summary>4 rows × 16 columns.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
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
            for (int part = 0; part < TFormat.Parts; part++)
            {
                byte* end = panel + TFormat.GroupBytes;
                for (byte* quad = panel; quad < end; quad += 64)
                {
                    Sse.Prefetch0(ahead);
                    ahead += aheadStep;
                    Vector256<byte> leftWeights = TFormat.Load(quad, part), rightWeights = TFormat.Load(quad + 32, part);
                    Vector256<sbyte> x0 = Broadcast(a0);
                    left0 = AvxVnni.MultiplyWideningAndAdd(left0, leftWeights, x0);
                    right0 = AvxVnni.MultiplyWideningAndAdd(right0, rightWeights, x0);
                    Vector256<sbyte> x1 = Broadcast(a0 + stride);
                    left1 = AvxVnni.MultiplyWideningAndAdd(left1, leftWeights, x1);
                    right1 = AvxVnni.MultiplyWideningAndAdd(right1, rightWeights, x1);
                    Vector256<sbyte> x2 = Broadcast(a0 + (2 * stride));
                    left2 = AvxVnni.MultiplyWideningAndAdd(left2, leftWeights, x2);
                    right2 = AvxVnni.MultiplyWideningAndAdd(right2, rightWeights, x2);
                    Vector256<sbyte> x3 = Broadcast(a3);
                    left3 = AvxVnni.MultiplyWideningAndAdd(left3, leftWeights, x3);
                    right3 = AvxVnni.MultiplyWideningAndAdd(right3, rightWeights, x3);
                    a0 += 4;
                    a3 += 4;
                }
            }

            panel += TFormat.GroupBytes;
            Vector256<float> leftScale = GroupSums.Scales(panel), rightScale = GroupSums.Scales(panel + 16);
            panel += 32;
            GroupSums.Add(left0, right0, leftScale, rightScale, scales[group], sums);
            GroupSums.Add(left1, right1, leftScale, rightScale, scales[groups + group], sums + 16);
            GroupSums.Add(left2, right2, leftScale, rightScale, scales[(2 * groups) + group], sums + 32);
            GroupSums.Add(left3, right3, leftScale, rightScale, scales[(3 * groups) + group], sums + 48);
        }
    }

    /// <summary>2 rows × 16 columns.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
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
            for (int part = 0; part < TFormat.Parts; part++)
            {
                byte* end = panel + TFormat.GroupBytes;
                for (byte* quad = panel; quad < end; quad += 64)
                {
                    Sse.Prefetch0(ahead);
                    ahead += aheadStep;
                    Vector256<byte> leftWeights = TFormat.Load(quad, part), rightWeights = TFormat.Load(quad + 32, part);
                    Vector256<sbyte> x0 = Broadcast(a0);
                    left0 = AvxVnni.MultiplyWideningAndAdd(left0, leftWeights, x0);
                    right0 = AvxVnni.MultiplyWideningAndAdd(right0, rightWeights, x0);
                    Vector256<sbyte> x1 = Broadcast(a0 + stride);
                    left1 = AvxVnni.MultiplyWideningAndAdd(left1, leftWeights, x1);
                    right1 = AvxVnni.MultiplyWideningAndAdd(right1, rightWeights, x1);
                    a0 += 4;
                }
            }

            panel += TFormat.GroupBytes;
            Vector256<float> leftScale = GroupSums.Scales(panel), rightScale = GroupSums.Scales(panel + 16);
            panel += 32;
            GroupSums.Add(left0, right0, leftScale, rightScale, scales[group], sums);
            GroupSums.Add(left1, right1, leftScale, rightScale, scales[groups + group], sums + 16);
        }
    }

    /// <summary>1 row × 16 columns.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Tile1(in QuantizedRows x, int row, byte* panel, byte* ahead, nint aheadStep, float* sums)
    {
        nint groups = x.Groups;
        sbyte* a0 = x.Row(row);
        float* scales = x.RowScales(row);
        int* corrections = x.RowCorrections(row);
        for (nint group = 0; group < groups; group++)
        {
            Vector256<int> left0 = Vector256.Create(corrections[group]), right0 = left0;
            for (int part = 0; part < TFormat.Parts; part++)
            {
                byte* end = panel + TFormat.GroupBytes;
                for (byte* quad = panel; quad < end; quad += 64)
                {
                    Sse.Prefetch0(ahead);
                    ahead += aheadStep;
                    Vector256<byte> leftWeights = TFormat.Load(quad, part), rightWeights = TFormat.Load(quad + 32, part);
                    Vector256<sbyte> x0 = Broadcast(a0);
                    left0 = AvxVnni.MultiplyWideningAndAdd(left0, leftWeights, x0);
                    right0 = AvxVnni.MultiplyWideningAndAdd(right0, rightWeights, x0);
                    a0 += 4;
                }
            }

            panel += TFormat.GroupBytes;
            Vector256<float> leftScale = GroupSums.Scales(panel), rightScale = GroupSums.Scales(panel + 16);
            panel += 32;
            GroupSums.Add(left0, right0, leftScale, rightScale, scales[group], sums);
        }
    }
}
