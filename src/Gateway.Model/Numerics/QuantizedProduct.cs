using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Gateway.Model.Numerics;

/// <summary>Products of quantized activations and quantized weights in register tiles of 256-bit vectors.</summary>
/// <remarks>
/// Within a group of depths the dot product is an exact integer; groups are added in f32 in the order of the depth, one
/// fused multiply-add per group: value(dot)·(row scale·weight scale) + sum. So a row's bits depend neither on the tile
/// that computes it nor on the instruction set. Tiles of five rows keep ten sums in flight, which hides the latency of
/// the dot-product instruction at two per cycle; twelve no longer fit beside the operands.
/// </remarks>
internal static unsafe class QuantizedProduct<TFormat, TDot>
    where TFormat : struct, IQuantizedFormat
    where TDot : struct, IByteDot
{
    private const int Panel = WeightMatrix.PanelWidth;

    /// <summary>
    /// How far ahead weights are fetched: panels lie one behind the other, so this runs on into what is read next. One tile
    /// of rows per panel waits for memory, and near is best; several compute as long as memory takes, and need the
    /// distance to keep it busy meanwhile (measured: 16 rows run 1.4 times as fast as with the near one). Many are bound
    /// by arithmetic, and want the next panel only.
    /// </summary>
    private const int Near = 4096;

    private const int Far = 128 * 1024;

    private const int FarTiles = 8;

    /// <summary>C[rows, width] (+)= x·B for whole rows; panels are read once, in order, while the rows pass by.</summary>
    [SkipLocalsInit]
    public static void Multiply(in QuantizedRows x, int firstRow, int rows, byte* panels, nint panelBytes, int width, float* c, nint ldc, bool accumulate)
    {
        float* edge = stackalloc float[5 * Panel];
        int tiles = 0;
        for (int row = 0; row < rows; row += TileRows(rows - row))
        {
            tiles++;
        }

        // Every tile fetches its share of what lies a little ahead, so that memory is busy while products are computed.
        nint aheadStep = TFormat.PairBytes / tiles;
        for (int column = 0; column < width; column += Panel, panels += panelBytes)
        {
            int columns = Math.Min(Panel, width - column);
            byte* ahead = panels + (tiles == 1 ? Near : tiles <= FarTiles ? Far : panelBytes);
            int step;
            for (int row = 0; row < rows; row += step, ahead += panelBytes / tiles)
            {
                step = TileRows(rows - row);
                float* target = c + (row * ldc) + column;
                if (columns == Panel)
                {
                    Tile(step, x, firstRow + row, panels, ahead, aheadStep, target, ldc, accumulate);
                    continue;
                }

                RegisterTile.Copy(target, ldc, edge, Panel, accumulate ? step : 0, columns);
                Tile(step, x, firstRow + row, panels, ahead, aheadStep, edge, Panel, accumulate);
                RegisterTile.Copy(edge, Panel, target, ldc, step, columns);
            }
        }
    }

    /// <summary>Fives, but fours where that leaves a better rest: 8 is 4 + 4 and 6 is 4 + 2.</summary>
    private static int TileRows(int left) => left switch
    {
        4 or 6 or 8 or 12 or 16 => 4,
        >= 5 => 5,
        >= 2 => 2,
        _ => 1,
    };

    private static void Tile(int rows, in QuantizedRows x, int row, byte* panel, byte* ahead, nint aheadStep, float* c, nint ldc, bool accumulate)
    {
        switch (rows)
        {
            case 5:
                Tile5By16(x, row, panel, ahead, aheadStep, c, ldc, accumulate);
                break;
            case 4:
                Tile4By16(x, row, panel, ahead, aheadStep, c, ldc, accumulate);
                break;
            case 2:
                Tile2By16(x, row, panel, ahead, aheadStep, c, ldc, accumulate);
                break;
            default:
                Tile1By16(x, row, panel, ahead, aheadStep, c, ldc, accumulate);
                break;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<sbyte> Broadcast(sbyte* four) => Vector256.Create(*(int*)four).AsSByte();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<float> Scales(byte* eight) =>
        Vector256.ShiftLeft(Avx2.ConvertToVector256Int32((ushort*)eight), 16).AsSingle();

    /// <summary>5 rows × 16 columns.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Tile5By16(in QuantizedRows x, int row, byte* panel, byte* ahead, nint aheadStep, float* c, nint ldc, bool accumulate)
    {
        Vector256<float> left0 = Vector256<float>.Zero, right0 = Vector256<float>.Zero;
        Vector256<float> left1 = Vector256<float>.Zero, right1 = Vector256<float>.Zero;
        Vector256<float> left2 = Vector256<float>.Zero, right2 = Vector256<float>.Zero;
        Vector256<float> left3 = Vector256<float>.Zero, right3 = Vector256<float>.Zero;
        Vector256<float> left4 = Vector256<float>.Zero, right4 = Vector256<float>.Zero;
        if (accumulate)
        {
            left0 = Vector256.Load(c);
            right0 = Vector256.Load(c + 8);
            left1 = Vector256.Load(c + ldc);
            right1 = Vector256.Load(c + ldc + 8);
            left2 = Vector256.Load(c + (2 * ldc));
            right2 = Vector256.Load(c + (2 * ldc) + 8);
            left3 = Vector256.Load(c + (3 * ldc));
            right3 = Vector256.Load(c + (3 * ldc) + 8);
            left4 = Vector256.Load(c + (4 * ldc));
            right4 = Vector256.Load(c + (4 * ldc) + 8);
        }

        nint groups = x.Groups;
        nint stride = x.Stride;
        sbyte* a0 = x.Row(row);
        sbyte* a3 = a0 + (3 * stride);
        float* scales = x.RowScales(row);
        int* corrections = x.RowCorrections(row);
        for (nint group = 0; group < groups; group++)
        {
            Vector256<int> dotLeft0 = TDot.Start(corrections[group]), dotRight0 = dotLeft0;
            Vector256<int> dotLeft1 = TDot.Start(corrections[groups + group]), dotRight1 = dotLeft1;
            Vector256<int> dotLeft2 = TDot.Start(corrections[(2 * groups) + group]), dotRight2 = dotLeft2;
            Vector256<int> dotLeft3 = TDot.Start(corrections[(3 * groups) + group]), dotRight3 = dotLeft3;
            Vector256<int> dotLeft4 = TDot.Start(corrections[(4 * groups) + group]), dotRight4 = dotLeft4;
            for (int k = 0; k < TFormat.GroupDepth - TFormat.SecondDepth; k += TFormat.PairDepth)
            {
                Sse.Prefetch0(ahead);
                Sse.Prefetch0(ahead + (aheadStep / 2));
                ahead += aheadStep;
                TFormat.Load(panel, out Vector256<byte> leftFirst, out Vector256<byte> leftSecond);
                TFormat.Load(panel + 32, out Vector256<byte> rightFirst, out Vector256<byte> rightSecond);
                Vector256<sbyte> xFirst0 = Broadcast(a0);
                dotLeft0 = TDot.Add(dotLeft0, leftFirst, xFirst0);
                dotRight0 = TDot.Add(dotRight0, rightFirst, xFirst0);
                Vector256<sbyte> xFirst1 = Broadcast(a0 + stride);
                dotLeft1 = TDot.Add(dotLeft1, leftFirst, xFirst1);
                dotRight1 = TDot.Add(dotRight1, rightFirst, xFirst1);
                Vector256<sbyte> xFirst2 = Broadcast(a0 + (2 * stride));
                dotLeft2 = TDot.Add(dotLeft2, leftFirst, xFirst2);
                dotRight2 = TDot.Add(dotRight2, rightFirst, xFirst2);
                Vector256<sbyte> xFirst3 = Broadcast(a3);
                dotLeft3 = TDot.Add(dotLeft3, leftFirst, xFirst3);
                dotRight3 = TDot.Add(dotRight3, rightFirst, xFirst3);
                Vector256<sbyte> xFirst4 = Broadcast(a3 + stride);
                dotLeft4 = TDot.Add(dotLeft4, leftFirst, xFirst4);
                dotRight4 = TDot.Add(dotRight4, rightFirst, xFirst4);
                Vector256<sbyte> xSecond0 = Broadcast(a0 + TFormat.SecondDepth);
                dotLeft0 = TDot.Add(dotLeft0, leftSecond, xSecond0);
                dotRight0 = TDot.Add(dotRight0, rightSecond, xSecond0);
                Vector256<sbyte> xSecond1 = Broadcast(a0 + stride + TFormat.SecondDepth);
                dotLeft1 = TDot.Add(dotLeft1, leftSecond, xSecond1);
                dotRight1 = TDot.Add(dotRight1, rightSecond, xSecond1);
                Vector256<sbyte> xSecond2 = Broadcast(a0 + (2 * stride) + TFormat.SecondDepth);
                dotLeft2 = TDot.Add(dotLeft2, leftSecond, xSecond2);
                dotRight2 = TDot.Add(dotRight2, rightSecond, xSecond2);
                Vector256<sbyte> xSecond3 = Broadcast(a3 + TFormat.SecondDepth);
                dotLeft3 = TDot.Add(dotLeft3, leftSecond, xSecond3);
                dotRight3 = TDot.Add(dotRight3, rightSecond, xSecond3);
                Vector256<sbyte> xSecond4 = Broadcast(a3 + stride + TFormat.SecondDepth);
                dotLeft4 = TDot.Add(dotLeft4, leftSecond, xSecond4);
                dotRight4 = TDot.Add(dotRight4, rightSecond, xSecond4);
                a0 += TFormat.PairDepth;
                a3 += TFormat.PairDepth;
                panel += TFormat.PairBytes;
            }

            a0 += TFormat.GroupDepth - (TFormat.GroupDepth / 8 * TFormat.PairDepth);
            a3 += TFormat.GroupDepth - (TFormat.GroupDepth / 8 * TFormat.PairDepth);
            Vector256<float> leftScale = Scales(panel), rightScale = Scales(panel + 16);
            panel += 32;
            Vector256<float> scale0 = Vector256.Create(scales[group]);
            left0 = Fma.MultiplyAdd(Avx.ConvertToVector256Single(dotLeft0), scale0 * leftScale, left0);
            right0 = Fma.MultiplyAdd(Avx.ConvertToVector256Single(dotRight0), scale0 * rightScale, right0);
            Vector256<float> scale1 = Vector256.Create(scales[groups + group]);
            left1 = Fma.MultiplyAdd(Avx.ConvertToVector256Single(dotLeft1), scale1 * leftScale, left1);
            right1 = Fma.MultiplyAdd(Avx.ConvertToVector256Single(dotRight1), scale1 * rightScale, right1);
            Vector256<float> scale2 = Vector256.Create(scales[(2 * groups) + group]);
            left2 = Fma.MultiplyAdd(Avx.ConvertToVector256Single(dotLeft2), scale2 * leftScale, left2);
            right2 = Fma.MultiplyAdd(Avx.ConvertToVector256Single(dotRight2), scale2 * rightScale, right2);
            Vector256<float> scale3 = Vector256.Create(scales[(3 * groups) + group]);
            left3 = Fma.MultiplyAdd(Avx.ConvertToVector256Single(dotLeft3), scale3 * leftScale, left3);
            right3 = Fma.MultiplyAdd(Avx.ConvertToVector256Single(dotRight3), scale3 * rightScale, right3);
            Vector256<float> scale4 = Vector256.Create(scales[(4 * groups) + group]);
            left4 = Fma.MultiplyAdd(Avx.ConvertToVector256Single(dotLeft4), scale4 * leftScale, left4);
            right4 = Fma.MultiplyAdd(Avx.ConvertToVector256Single(dotRight4), scale4 * rightScale, right4);
        }

        left0.Store(c);
        right0.Store(c + 8);
        left1.Store(c + ldc);
        right1.Store(c + ldc + 8);
        left2.Store(c + (2 * ldc));
        right2.Store(c + (2 * ldc) + 8);
        left3.Store(c + (3 * ldc));
        right3.Store(c + (3 * ldc) + 8);
        left4.Store(c + (4 * ldc));
        right4.Store(c + (4 * ldc) + 8);
    }

    /// <summary>4 rows × 16 columns.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Tile4By16(in QuantizedRows x, int row, byte* panel, byte* ahead, nint aheadStep, float* c, nint ldc, bool accumulate)
    {
        Vector256<float> left0 = Vector256<float>.Zero, right0 = Vector256<float>.Zero;
        Vector256<float> left1 = Vector256<float>.Zero, right1 = Vector256<float>.Zero;
        Vector256<float> left2 = Vector256<float>.Zero, right2 = Vector256<float>.Zero;
        Vector256<float> left3 = Vector256<float>.Zero, right3 = Vector256<float>.Zero;
        if (accumulate)
        {
            left0 = Vector256.Load(c);
            right0 = Vector256.Load(c + 8);
            left1 = Vector256.Load(c + ldc);
            right1 = Vector256.Load(c + ldc + 8);
            left2 = Vector256.Load(c + (2 * ldc));
            right2 = Vector256.Load(c + (2 * ldc) + 8);
            left3 = Vector256.Load(c + (3 * ldc));
            right3 = Vector256.Load(c + (3 * ldc) + 8);
        }

        nint groups = x.Groups;
        nint stride = x.Stride;
        sbyte* a0 = x.Row(row);
        sbyte* a3 = a0 + (3 * stride);
        float* scales = x.RowScales(row);
        int* corrections = x.RowCorrections(row);
        for (nint group = 0; group < groups; group++)
        {
            Vector256<int> dotLeft0 = TDot.Start(corrections[group]), dotRight0 = dotLeft0;
            Vector256<int> dotLeft1 = TDot.Start(corrections[groups + group]), dotRight1 = dotLeft1;
            Vector256<int> dotLeft2 = TDot.Start(corrections[(2 * groups) + group]), dotRight2 = dotLeft2;
            Vector256<int> dotLeft3 = TDot.Start(corrections[(3 * groups) + group]), dotRight3 = dotLeft3;
            for (int k = 0; k < TFormat.GroupDepth - TFormat.SecondDepth; k += TFormat.PairDepth)
            {
                Sse.Prefetch0(ahead);
                Sse.Prefetch0(ahead + (aheadStep / 2));
                ahead += aheadStep;
                TFormat.Load(panel, out Vector256<byte> leftFirst, out Vector256<byte> leftSecond);
                TFormat.Load(panel + 32, out Vector256<byte> rightFirst, out Vector256<byte> rightSecond);
                Vector256<sbyte> xFirst0 = Broadcast(a0);
                dotLeft0 = TDot.Add(dotLeft0, leftFirst, xFirst0);
                dotRight0 = TDot.Add(dotRight0, rightFirst, xFirst0);
                Vector256<sbyte> xFirst1 = Broadcast(a0 + stride);
                dotLeft1 = TDot.Add(dotLeft1, leftFirst, xFirst1);
                dotRight1 = TDot.Add(dotRight1, rightFirst, xFirst1);
                Vector256<sbyte> xFirst2 = Broadcast(a0 + (2 * stride));
                dotLeft2 = TDot.Add(dotLeft2, leftFirst, xFirst2);
                dotRight2 = TDot.Add(dotRight2, rightFirst, xFirst2);
                Vector256<sbyte> xFirst3 = Broadcast(a3);
                dotLeft3 = TDot.Add(dotLeft3, leftFirst, xFirst3);
                dotRight3 = TDot.Add(dotRight3, rightFirst, xFirst3);
                Vector256<sbyte> xSecond0 = Broadcast(a0 + TFormat.SecondDepth);
                dotLeft0 = TDot.Add(dotLeft0, leftSecond, xSecond0);
                dotRight0 = TDot.Add(dotRight0, rightSecond, xSecond0);
                Vector256<sbyte> xSecond1 = Broadcast(a0 + stride + TFormat.SecondDepth);
                dotLeft1 = TDot.Add(dotLeft1, leftSecond, xSecond1);
                dotRight1 = TDot.Add(dotRight1, rightSecond, xSecond1);
                Vector256<sbyte> xSecond2 = Broadcast(a0 + (2 * stride) + TFormat.SecondDepth);
                dotLeft2 = TDot.Add(dotLeft2, leftSecond, xSecond2);
                dotRight2 = TDot.Add(dotRight2, rightSecond, xSecond2);
                Vector256<sbyte> xSecond3 = Broadcast(a3 + TFormat.SecondDepth);
                dotLeft3 = TDot.Add(dotLeft3, leftSecond, xSecond3);
                dotRight3 = TDot.Add(dotRight3, rightSecond, xSecond3);
                a0 += TFormat.PairDepth;
                a3 += TFormat.PairDepth;
                panel += TFormat.PairBytes;
            }

            a0 += TFormat.GroupDepth - (TFormat.GroupDepth / 8 * TFormat.PairDepth);
            a3 += TFormat.GroupDepth - (TFormat.GroupDepth / 8 * TFormat.PairDepth);
            Vector256<float> leftScale = Scales(panel), rightScale = Scales(panel + 16);
            panel += 32;
            Vector256<float> scale0 = Vector256.Create(scales[group]);
            left0 = Fma.MultiplyAdd(Avx.ConvertToVector256Single(dotLeft0), scale0 * leftScale, left0);
            right0 = Fma.MultiplyAdd(Avx.ConvertToVector256Single(dotRight0), scale0 * rightScale, right0);
            Vector256<float> scale1 = Vector256.Create(scales[groups + group]);
            left1 = Fma.MultiplyAdd(Avx.ConvertToVector256Single(dotLeft1), scale1 * leftScale, left1);
            right1 = Fma.MultiplyAdd(Avx.ConvertToVector256Single(dotRight1), scale1 * rightScale, right1);
            Vector256<float> scale2 = Vector256.Create(scales[(2 * groups) + group]);
            left2 = Fma.MultiplyAdd(Avx.ConvertToVector256Single(dotLeft2), scale2 * leftScale, left2);
            right2 = Fma.MultiplyAdd(Avx.ConvertToVector256Single(dotRight2), scale2 * rightScale, right2);
            Vector256<float> scale3 = Vector256.Create(scales[(3 * groups) + group]);
            left3 = Fma.MultiplyAdd(Avx.ConvertToVector256Single(dotLeft3), scale3 * leftScale, left3);
            right3 = Fma.MultiplyAdd(Avx.ConvertToVector256Single(dotRight3), scale3 * rightScale, right3);
        }

        left0.Store(c);
        right0.Store(c + 8);
        left1.Store(c + ldc);
        right1.Store(c + ldc + 8);
        left2.Store(c + (2 * ldc));
        right2.Store(c + (2 * ldc) + 8);
        left3.Store(c + (3 * ldc));
        right3.Store(c + (3 * ldc) + 8);
    }

    /// <summary>2 rows × 16 columns.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Tile2By16(in QuantizedRows x, int row, byte* panel, byte* ahead, nint aheadStep, float* c, nint ldc, bool accumulate)
    {
        Vector256<float> left0 = Vector256<float>.Zero, right0 = Vector256<float>.Zero;
        Vector256<float> left1 = Vector256<float>.Zero, right1 = Vector256<float>.Zero;
        if (accumulate)
        {
            left0 = Vector256.Load(c);
            right0 = Vector256.Load(c + 8);
            left1 = Vector256.Load(c + ldc);
            right1 = Vector256.Load(c + ldc + 8);
        }

        nint groups = x.Groups;
        nint stride = x.Stride;
        sbyte* a0 = x.Row(row);
        float* scales = x.RowScales(row);
        int* corrections = x.RowCorrections(row);
        for (nint group = 0; group < groups; group++)
        {
            Vector256<int> dotLeft0 = TDot.Start(corrections[group]), dotRight0 = dotLeft0;
            Vector256<int> dotLeft1 = TDot.Start(corrections[groups + group]), dotRight1 = dotLeft1;
            for (int k = 0; k < TFormat.GroupDepth - TFormat.SecondDepth; k += TFormat.PairDepth)
            {
                Sse.Prefetch0(ahead);
                Sse.Prefetch0(ahead + (aheadStep / 2));
                ahead += aheadStep;
                TFormat.Load(panel, out Vector256<byte> leftFirst, out Vector256<byte> leftSecond);
                TFormat.Load(panel + 32, out Vector256<byte> rightFirst, out Vector256<byte> rightSecond);
                Vector256<sbyte> xFirst0 = Broadcast(a0);
                dotLeft0 = TDot.Add(dotLeft0, leftFirst, xFirst0);
                dotRight0 = TDot.Add(dotRight0, rightFirst, xFirst0);
                Vector256<sbyte> xFirst1 = Broadcast(a0 + stride);
                dotLeft1 = TDot.Add(dotLeft1, leftFirst, xFirst1);
                dotRight1 = TDot.Add(dotRight1, rightFirst, xFirst1);
                Vector256<sbyte> xSecond0 = Broadcast(a0 + TFormat.SecondDepth);
                dotLeft0 = TDot.Add(dotLeft0, leftSecond, xSecond0);
                dotRight0 = TDot.Add(dotRight0, rightSecond, xSecond0);
                Vector256<sbyte> xSecond1 = Broadcast(a0 + stride + TFormat.SecondDepth);
                dotLeft1 = TDot.Add(dotLeft1, leftSecond, xSecond1);
                dotRight1 = TDot.Add(dotRight1, rightSecond, xSecond1);
                a0 += TFormat.PairDepth;
                panel += TFormat.PairBytes;
            }

            a0 += TFormat.GroupDepth - (TFormat.GroupDepth / 8 * TFormat.PairDepth);
            Vector256<float> leftScale = Scales(panel), rightScale = Scales(panel + 16);
            panel += 32;
            Vector256<float> scale0 = Vector256.Create(scales[group]);
            left0 = Fma.MultiplyAdd(Avx.ConvertToVector256Single(dotLeft0), scale0 * leftScale, left0);
            right0 = Fma.MultiplyAdd(Avx.ConvertToVector256Single(dotRight0), scale0 * rightScale, right0);
            Vector256<float> scale1 = Vector256.Create(scales[groups + group]);
            left1 = Fma.MultiplyAdd(Avx.ConvertToVector256Single(dotLeft1), scale1 * leftScale, left1);
            right1 = Fma.MultiplyAdd(Avx.ConvertToVector256Single(dotRight1), scale1 * rightScale, right1);
        }

        left0.Store(c);
        right0.Store(c + 8);
        left1.Store(c + ldc);
        right1.Store(c + ldc + 8);
    }

    /// <summary>1 row × 16 columns.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Tile1By16(in QuantizedRows x, int row, byte* panel, byte* ahead, nint aheadStep, float* c, nint ldc, bool accumulate)
    {
        Vector256<float> left0 = Vector256<float>.Zero, right0 = Vector256<float>.Zero;
        if (accumulate)
        {
            left0 = Vector256.Load(c);
            right0 = Vector256.Load(c + 8);
        }

        nint groups = x.Groups;
        sbyte* a0 = x.Row(row);
        float* scales = x.RowScales(row);
        int* corrections = x.RowCorrections(row);
        for (nint group = 0; group < groups; group++)
        {
            Vector256<int> dotLeft0 = TDot.Start(corrections[group]), dotRight0 = dotLeft0;
            for (int k = 0; k < TFormat.GroupDepth - TFormat.SecondDepth; k += TFormat.PairDepth)
            {
                Sse.Prefetch0(ahead);
                Sse.Prefetch0(ahead + (aheadStep / 2));
                ahead += aheadStep;
                TFormat.Load(panel, out Vector256<byte> leftFirst, out Vector256<byte> leftSecond);
                TFormat.Load(panel + 32, out Vector256<byte> rightFirst, out Vector256<byte> rightSecond);
                Vector256<sbyte> xFirst0 = Broadcast(a0);
                dotLeft0 = TDot.Add(dotLeft0, leftFirst, xFirst0);
                dotRight0 = TDot.Add(dotRight0, rightFirst, xFirst0);
                Vector256<sbyte> xSecond0 = Broadcast(a0 + TFormat.SecondDepth);
                dotLeft0 = TDot.Add(dotLeft0, leftSecond, xSecond0);
                dotRight0 = TDot.Add(dotRight0, rightSecond, xSecond0);
                a0 += TFormat.PairDepth;
                panel += TFormat.PairBytes;
            }

            a0 += TFormat.GroupDepth - (TFormat.GroupDepth / 8 * TFormat.PairDepth);
            Vector256<float> leftScale = Scales(panel), rightScale = Scales(panel + 16);
            panel += 32;
            Vector256<float> scale0 = Vector256.Create(scales[group]);
            left0 = Fma.MultiplyAdd(Avx.ConvertToVector256Single(dotLeft0), scale0 * leftScale, left0);
            right0 = Fma.MultiplyAdd(Avx.ConvertToVector256Single(dotRight0), scale0 * rightScale, right0);
        }

        left0.Store(c);
        right0.Store(c + 8);
    }
}
