using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Gateway.Model.Numerics;

/// <summary>Products in register tiles of 256-bit vectors; see <see cref="Avx512Kernels"/> for the scheme.</summary>
internal sealed unsafe class Avx2Kernels : LaneKernels<Avx2Lanes>
{
    private const int Panel = PackedMatrix.PanelWidth;

    public override string Name => "avx2";

    /// <summary>A quarter of the rows: processors without wider vectors have second-level caches of 256 or 512 KiB.</summary>
    internal override int RowBlock => 132;

    internal override void Multiply(float* a, nint rowStride, nint depthStride, int rows, float* panels, nint panelStride, int depth, int width, float* c, nint ldc, bool accumulate) =>
        MultiplyPanels<SinglePanel>(a, rowStride, depthStride, rows, (byte*)panels, panelStride * sizeof(float), depth, width, c, ldc, accumulate);

    internal override void MultiplyBfloat16(float* a, nint rowStride, int rows, byte* panels, nint panelBytes, int depth, int width, float* c, nint ldc, bool accumulate) =>
        MultiplyPanels<Bfloat16Panel>(a, rowStride, 1, rows, panels, panelBytes, depth, width, c, ldc, accumulate);

    internal override void MultiplyQuantized(in QuantizedRows x, int firstRow, int rows, bool fourBits, byte* panels, nint panelBytes, int width, float* c, nint ldc, bool accumulate, in WeightStream stream) =>
        QuantizedKernels.Multiply(x, firstRow, rows, fourBits, panels, panelBytes, width, c, ldc, accumulate, stream);

    internal override int ActivationBytes(bool fourBits) => QuantizedKernels.ActivationBytes(fourBits);

    [SkipLocalsInit]
    private static void MultiplyPanels<TPanel>(float* a, nint rowStride, nint depthStride, int rows, byte* panels, nint panelBytes, int depth, int width, float* c, nint ldc, bool accumulate)
        where TPanel : struct, IPanelElement
    {
        // 1. Whole tiles of 6 rows, panel by panel.
        int tiled = rows / 6 * 6;
        float* edge = stackalloc float[6 * Panel];
        for (int column = 0; column < width && tiled > 0; column += Panel)
        {
            byte* panel = panels + (column / Panel * panelBytes);
            int columns = Math.Min(Panel, width - column);
            for (int row = 0; row < tiled; row += 6)
            {
                float* left = a + (row * rowStride);
                float* target = c + (row * ldc) + column;
                if (columns == Panel)
                {
                    Tile6By16<TPanel>(left, rowStride, depthStride, panel, depth, target, ldc, accumulate);
                    continue;
                }

                RegisterTile.Copy(target, ldc, edge, Panel, accumulate ? 6 : 0, columns);
                Tile6By16<TPanel>(left, rowStride, depthStride, panel, depth, edge, Panel, accumulate);
                RegisterTile.Copy(edge, Panel, target, ldc, 6, columns);
            }
        }

        // 2. The rows left over, one at a time.
        for (int row = tiled; row < rows; row++)
        {
            MultiplyRow<TPanel>(a + (row * rowStride), depthStride, panels, panelBytes, depth, width, c + (row * ldc), accumulate);
        }
    }

    [SkipLocalsInit]
    private static void MultiplyRow<TPanel>(float* a, nint depthStride, byte* panels, nint panelBytes, int depth, int width, float* c, bool accumulate)
        where TPanel : struct, IPanelElement
    {
        float* edge = stackalloc float[2 * Panel];
        for (int column = 0; column < width; column += 2 * Panel)
        {
            byte* panel0 = panels + (column / Panel * panelBytes);
            byte* panel1 = column + Panel < width ? panel0 + panelBytes : panel0;
            int columns = Math.Min(2 * Panel, width - column);
            if (columns == 2 * Panel)
            {
                Tile1By32<TPanel>(a, depthStride, panel0, panel1, depth, c + column, accumulate);
                continue;
            }

            RegisterTile.Copy(c + column, 0, edge, 0, accumulate ? 1 : 0, columns);
            Tile1By32<TPanel>(a, depthStride, panel0, panel1, depth, edge, accumulate);
            RegisterTile.Copy(edge, 0, c + column, 0, 1, columns);
        }
    }

    /// <summary>6 rows × 16 columns: 12 accumulators, two panel vectors and one broadcast fill the 16 registers.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Tile6By16<TPanel>(float* a, nint rowStride, nint depthStride, byte* panel, int depth, float* c, nint ldc, bool accumulate)
        where TPanel : struct, IPanelElement
    {
        Vector256<float> left0 = Vector256<float>.Zero, right0 = Vector256<float>.Zero;
        Vector256<float> left1 = Vector256<float>.Zero, right1 = Vector256<float>.Zero;
        Vector256<float> left2 = Vector256<float>.Zero, right2 = Vector256<float>.Zero;
        Vector256<float> left3 = Vector256<float>.Zero, right3 = Vector256<float>.Zero;
        Vector256<float> left4 = Vector256<float>.Zero, right4 = Vector256<float>.Zero;
        Vector256<float> left5 = Vector256<float>.Zero, right5 = Vector256<float>.Zero;
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
            left5 = Vector256.Load(c + (5 * ldc));
            right5 = Vector256.Load(c + (5 * ldc) + 8);
        }

        float* a3 = a + (3 * rowStride);
        for (int k = 0; k < depth; k++)
        {
            Vector256<float> b0 = TPanel.LoadLower(panel);
            Vector256<float> b1 = TPanel.LoadUpper(panel);
            Vector256<float> value0 = Vector256.Create(*a);
            left0 = Fma.MultiplyAdd(value0, b0, left0);
            right0 = Fma.MultiplyAdd(value0, b1, right0);
            Vector256<float> value1 = Vector256.Create(a[rowStride]);
            left1 = Fma.MultiplyAdd(value1, b0, left1);
            right1 = Fma.MultiplyAdd(value1, b1, right1);
            Vector256<float> value2 = Vector256.Create(a[2 * rowStride]);
            left2 = Fma.MultiplyAdd(value2, b0, left2);
            right2 = Fma.MultiplyAdd(value2, b1, right2);
            Vector256<float> value3 = Vector256.Create(*a3);
            left3 = Fma.MultiplyAdd(value3, b0, left3);
            right3 = Fma.MultiplyAdd(value3, b1, right3);
            Vector256<float> value4 = Vector256.Create(a3[rowStride]);
            left4 = Fma.MultiplyAdd(value4, b0, left4);
            right4 = Fma.MultiplyAdd(value4, b1, right4);
            Vector256<float> value5 = Vector256.Create(a3[2 * rowStride]);
            left5 = Fma.MultiplyAdd(value5, b0, left5);
            right5 = Fma.MultiplyAdd(value5, b1, right5);
            a += depthStride;
            a3 += depthStride;
            panel += TPanel.RowBytes;
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
        left5.Store(c + (5 * ldc));
        right5.Store(c + (5 * ldc) + 8);
    }

    /// <summary>1 row × 32 columns of two panels: four chains in flight.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Tile1By32<TPanel>(float* a, nint depthStride, byte* panel0, byte* panel1, int depth, float* c, bool accumulate)
        where TPanel : struct, IPanelElement
    {
        Vector256<float> c0 = Vector256<float>.Zero, c1 = Vector256<float>.Zero, c2 = Vector256<float>.Zero, c3 = Vector256<float>.Zero;
        if (accumulate)
        {
            c0 = Vector256.Load(c);
            c1 = Vector256.Load(c + 8);
            c2 = Vector256.Load(c + 16);
            c3 = Vector256.Load(c + 24);
        }

        for (int k = 0; k < depth; k++)
        {
            Vector256<float> value = Vector256.Create(*a);
            c0 = Fma.MultiplyAdd(value, TPanel.LoadLower(panel0), c0);
            c1 = Fma.MultiplyAdd(value, TPanel.LoadUpper(panel0), c1);
            c2 = Fma.MultiplyAdd(value, TPanel.LoadLower(panel1), c2);
            c3 = Fma.MultiplyAdd(value, TPanel.LoadUpper(panel1), c3);
            a += depthStride;
            panel0 += TPanel.RowBytes;
            panel1 += TPanel.RowBytes;
        }

        c0.Store(c);
        c1.Store(c + 8);
        c2.Store(c + 16);
        c3.Store(c + 24);
    }
}
