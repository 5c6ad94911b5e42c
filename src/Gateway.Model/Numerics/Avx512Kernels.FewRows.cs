using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Gateway.Model.Numerics;

/// <content>Tiles of few rows: batches of replies, and the narrow products of adapters.</content>
internal sealed unsafe partial class Avx512Kernels
{
    /// <summary>As many whole eights of rows as there are, 32 or 16 columns at a time; returns the rows done.</summary>
    [SkipLocalsInit]
    private static int MultiplyEights<TPanel>(float* a, nint rowStride, nint depthStride, int rows, byte* panels, nint panelBytes, int depth, int columns, float* c, nint ldc, bool accumulate)
        where TPanel : struct, IPanelElement
    {
        float* edge = stackalloc float[8 * Panel];
        int done = 0;
        for (; done + 8 <= rows; done += 8)
        {
            float* left = a + (done * rowStride);
            float* target = c + (done * ldc);
            int column = 0;
            for (; column + (2 * Panel) <= columns; column += 2 * Panel)
            {
                byte* panel = panels + (column / Panel * panelBytes);
                Tile8By32<TPanel>(left, rowStride, depthStride, panel, panel + panelBytes, depth, target + column, ldc, accumulate);
            }

            for (; column < columns; column += Panel)
            {
                int count = Math.Min(Panel, columns - column);
                RegisterTile.Copy(target + column, ldc, edge, Panel, accumulate ? 8 : 0, count);
                Tile8By16<TPanel>(left, rowStride, depthStride, panels + (column / Panel * panelBytes), depth, edge, Panel, accumulate);
                RegisterTile.Copy(edge, Panel, target + column, ldc, 8, count);
            }
        }

        return done;
    }

    /// <summary>8 rows × 32 columns: sixteen chains, two panel vectors for eight rows.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Tile8By32<TPanel>(float* a, nint rowStride, nint depthStride, byte* panel0, byte* panel1, int depth, float* c, nint ldc, bool accumulate)
        where TPanel : struct, IPanelElement
    {
        Vector512<float> left0 = Vector512<float>.Zero, right0 = Vector512<float>.Zero;
        Vector512<float> left1 = Vector512<float>.Zero, right1 = Vector512<float>.Zero;
        Vector512<float> left2 = Vector512<float>.Zero, right2 = Vector512<float>.Zero;
        Vector512<float> left3 = Vector512<float>.Zero, right3 = Vector512<float>.Zero;
        Vector512<float> left4 = Vector512<float>.Zero, right4 = Vector512<float>.Zero;
        Vector512<float> left5 = Vector512<float>.Zero, right5 = Vector512<float>.Zero;
        Vector512<float> left6 = Vector512<float>.Zero, right6 = Vector512<float>.Zero;
        Vector512<float> left7 = Vector512<float>.Zero, right7 = Vector512<float>.Zero;
        if (accumulate)
        {
            left0 = Vector512.Load(c);
            right0 = Vector512.Load(c + 16);
            left1 = Vector512.Load(c + ldc);
            right1 = Vector512.Load(c + ldc + 16);
            left2 = Vector512.Load(c + (2 * ldc));
            right2 = Vector512.Load(c + (2 * ldc) + 16);
            left3 = Vector512.Load(c + (3 * ldc));
            right3 = Vector512.Load(c + (3 * ldc) + 16);
            left4 = Vector512.Load(c + (4 * ldc));
            right4 = Vector512.Load(c + (4 * ldc) + 16);
            left5 = Vector512.Load(c + (5 * ldc));
            right5 = Vector512.Load(c + (5 * ldc) + 16);
            left6 = Vector512.Load(c + (6 * ldc));
            right6 = Vector512.Load(c + (6 * ldc) + 16);
            left7 = Vector512.Load(c + (7 * ldc));
            right7 = Vector512.Load(c + (7 * ldc) + 16);
        }

        float* a3 = a + (3 * rowStride);
        float* a6 = a + (6 * rowStride);
        for (int k = 0; k < depth; k++)
        {
            Vector512<float> b0 = TPanel.Load512(panel0);
            Vector512<float> b1 = TPanel.Load512(panel1);
            Vector512<float> value0 = Vector512.Create(*a);
            left0 = Avx512F.FusedMultiplyAdd(value0, b0, left0);
            right0 = Avx512F.FusedMultiplyAdd(value0, b1, right0);
            Vector512<float> value1 = Vector512.Create(a[rowStride]);
            left1 = Avx512F.FusedMultiplyAdd(value1, b0, left1);
            right1 = Avx512F.FusedMultiplyAdd(value1, b1, right1);
            Vector512<float> value2 = Vector512.Create(a[2 * rowStride]);
            left2 = Avx512F.FusedMultiplyAdd(value2, b0, left2);
            right2 = Avx512F.FusedMultiplyAdd(value2, b1, right2);
            Vector512<float> value3 = Vector512.Create(*a3);
            left3 = Avx512F.FusedMultiplyAdd(value3, b0, left3);
            right3 = Avx512F.FusedMultiplyAdd(value3, b1, right3);
            Vector512<float> value4 = Vector512.Create(a3[rowStride]);
            left4 = Avx512F.FusedMultiplyAdd(value4, b0, left4);
            right4 = Avx512F.FusedMultiplyAdd(value4, b1, right4);
            Vector512<float> value5 = Vector512.Create(a3[2 * rowStride]);
            left5 = Avx512F.FusedMultiplyAdd(value5, b0, left5);
            right5 = Avx512F.FusedMultiplyAdd(value5, b1, right5);
            Vector512<float> value6 = Vector512.Create(*a6);
            left6 = Avx512F.FusedMultiplyAdd(value6, b0, left6);
            right6 = Avx512F.FusedMultiplyAdd(value6, b1, right6);
            Vector512<float> value7 = Vector512.Create(a6[rowStride]);
            left7 = Avx512F.FusedMultiplyAdd(value7, b0, left7);
            right7 = Avx512F.FusedMultiplyAdd(value7, b1, right7);
            a += depthStride;
            a3 += depthStride;
            a6 += depthStride;
            panel0 += TPanel.RowBytes;
            panel1 += TPanel.RowBytes;
        }

        left0.Store(c);
        right0.Store(c + 16);
        left1.Store(c + ldc);
        right1.Store(c + ldc + 16);
        left2.Store(c + (2 * ldc));
        right2.Store(c + (2 * ldc) + 16);
        left3.Store(c + (3 * ldc));
        right3.Store(c + (3 * ldc) + 16);
        left4.Store(c + (4 * ldc));
        right4.Store(c + (4 * ldc) + 16);
        left5.Store(c + (5 * ldc));
        right5.Store(c + (5 * ldc) + 16);
        left6.Store(c + (6 * ldc));
        right6.Store(c + (6 * ldc) + 16);
        left7.Store(c + (7 * ldc));
        right7.Store(c + (7 * ldc) + 16);
    }

    /// <summary>8 rows × 16 columns: eight chains, for a narrow product of few rows.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Tile8By16<TPanel>(float* a, nint rowStride, nint depthStride, byte* panel, int depth, float* c, nint ldc, bool accumulate)
        where TPanel : struct, IPanelElement
    {
        Vector512<float> c0 = Vector512<float>.Zero, c1 = Vector512<float>.Zero;
        Vector512<float> c2 = Vector512<float>.Zero, c3 = Vector512<float>.Zero;
        Vector512<float> c4 = Vector512<float>.Zero, c5 = Vector512<float>.Zero;
        Vector512<float> c6 = Vector512<float>.Zero, c7 = Vector512<float>.Zero;
        if (accumulate)
        {
            c0 = Vector512.Load(c);
            c1 = Vector512.Load(c + ldc);
            c2 = Vector512.Load(c + (2 * ldc));
            c3 = Vector512.Load(c + (3 * ldc));
            c4 = Vector512.Load(c + (4 * ldc));
            c5 = Vector512.Load(c + (5 * ldc));
            c6 = Vector512.Load(c + (6 * ldc));
            c7 = Vector512.Load(c + (7 * ldc));
        }

        float* a3 = a + (3 * rowStride);
        float* a6 = a + (6 * rowStride);
        for (int k = 0; k < depth; k++)
        {
            Sse.Prefetch0(panel + PrefetchBytes);
            Vector512<float> b = TPanel.Load512(panel);
            c0 = Avx512F.FusedMultiplyAdd(Vector512.Create(*a), b, c0);
            c1 = Avx512F.FusedMultiplyAdd(Vector512.Create(a[rowStride]), b, c1);
            c2 = Avx512F.FusedMultiplyAdd(Vector512.Create(a[2 * rowStride]), b, c2);
            c3 = Avx512F.FusedMultiplyAdd(Vector512.Create(*a3), b, c3);
            c4 = Avx512F.FusedMultiplyAdd(Vector512.Create(a3[rowStride]), b, c4);
            c5 = Avx512F.FusedMultiplyAdd(Vector512.Create(a3[2 * rowStride]), b, c5);
            c6 = Avx512F.FusedMultiplyAdd(Vector512.Create(*a6), b, c6);
            c7 = Avx512F.FusedMultiplyAdd(Vector512.Create(a6[rowStride]), b, c7);
            a += depthStride;
            a3 += depthStride;
            a6 += depthStride;
            panel += TPanel.RowBytes;
        }

        c0.Store(c);
        c1.Store(c + ldc);
        c2.Store(c + (2 * ldc));
        c3.Store(c + (3 * ldc));
        c4.Store(c + (4 * ldc));
        c5.Store(c + (5 * ldc));
        c6.Store(c + (6 * ldc));
        c7.Store(c + (7 * ldc));
    }

    /// <summary>4 rows × 16 columns: four chains hide the latency of a multiply-add.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Tile4By16<TPanel>(float* a, nint rowStride, nint depthStride, byte* panel, int depth, float* c, nint ldc, bool accumulate)
        where TPanel : struct, IPanelElement
    {
        Vector512<float> c0 = Vector512<float>.Zero, c1 = Vector512<float>.Zero, c2 = Vector512<float>.Zero, c3 = Vector512<float>.Zero;
        if (accumulate)
        {
            c0 = Vector512.Load(c);
            c1 = Vector512.Load(c + ldc);
            c2 = Vector512.Load(c + (2 * ldc));
            c3 = Vector512.Load(c + (3 * ldc));
        }

        float* a3 = a + (3 * rowStride);
        for (int k = 0; k < depth; k++)
        {
            Sse.Prefetch0(panel + PrefetchBytes);
            Vector512<float> b = TPanel.Load512(panel);
            c0 = Avx512F.FusedMultiplyAdd(Vector512.Create(*a), b, c0);
            c1 = Avx512F.FusedMultiplyAdd(Vector512.Create(a[rowStride]), b, c1);
            c2 = Avx512F.FusedMultiplyAdd(Vector512.Create(a[2 * rowStride]), b, c2);
            c3 = Avx512F.FusedMultiplyAdd(Vector512.Create(*a3), b, c3);
            a += depthStride;
            a3 += depthStride;
            panel += TPanel.RowBytes;
        }

        c0.Store(c);
        c1.Store(c + ldc);
        c2.Store(c + (2 * ldc));
        c3.Store(c + (3 * ldc));
    }

    /// <summary>1 row × 16 columns: one stream and one chain.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Tile1By16<TPanel>(float* a, nint depthStride, byte* panel, int depth, float* c, bool accumulate)
        where TPanel : struct, IPanelElement
    {
        Vector512<float> sum = accumulate ? Vector512.Load(c) : Vector512<float>.Zero;
        for (int k = 0; k < depth; k++)
        {
            Sse.Prefetch0(panel + PrefetchBytes);
            sum = Avx512F.FusedMultiplyAdd(Vector512.Create(*a), TPanel.Load512(panel), sum);
            a += depthStride;
            panel += TPanel.RowBytes;
        }

        sum.Store(c);
    }
}
