using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Gateway.Model.Numerics;

/// <content>The tile of products that are one panel wide, such as those with a low-rank factor.</content>
internal sealed unsafe partial class Avx512Kernels
{
    /// <summary>12 rows × 16 columns: enough independent chains to hide the latency of a multiply-add, half the work of a tile of 32.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Tile12By16<TPanel>(float* a, nint rowStride, nint depthStride, byte* panel, int depth, float* c, nint ldc, bool accumulate)
        where TPanel : struct, IPanelElement
    {
        Vector512<float> sum0 = Vector512<float>.Zero, sum1 = Vector512<float>.Zero, sum2 = Vector512<float>.Zero, sum3 = Vector512<float>.Zero;
        Vector512<float> sum4 = Vector512<float>.Zero, sum5 = Vector512<float>.Zero, sum6 = Vector512<float>.Zero, sum7 = Vector512<float>.Zero;
        Vector512<float> sum8 = Vector512<float>.Zero, sum9 = Vector512<float>.Zero, sum10 = Vector512<float>.Zero, sum11 = Vector512<float>.Zero;
        if (accumulate)
        {
            sum0 = Vector512.Load(c);
            sum1 = Vector512.Load(c + ldc);
            sum2 = Vector512.Load(c + (2 * ldc));
            sum3 = Vector512.Load(c + (3 * ldc));
            sum4 = Vector512.Load(c + (4 * ldc));
            sum5 = Vector512.Load(c + (5 * ldc));
            sum6 = Vector512.Load(c + (6 * ldc));
            sum7 = Vector512.Load(c + (7 * ldc));
            sum8 = Vector512.Load(c + (8 * ldc));
            sum9 = Vector512.Load(c + (9 * ldc));
            sum10 = Vector512.Load(c + (10 * ldc));
            sum11 = Vector512.Load(c + (11 * ldc));
        }

        float* a3 = a + (3 * rowStride);
        float* a6 = a + (6 * rowStride);
        float* a9 = a + (9 * rowStride);
        for (int k = 0; k < depth; k++)
        {
            Vector512<float> b = TPanel.Load512(panel);
            sum0 = Avx512F.FusedMultiplyAdd(Vector512.Create(*a), b, sum0);
            sum1 = Avx512F.FusedMultiplyAdd(Vector512.Create(a[rowStride]), b, sum1);
            sum2 = Avx512F.FusedMultiplyAdd(Vector512.Create(a[2 * rowStride]), b, sum2);
            sum3 = Avx512F.FusedMultiplyAdd(Vector512.Create(*a3), b, sum3);
            sum4 = Avx512F.FusedMultiplyAdd(Vector512.Create(a3[rowStride]), b, sum4);
            sum5 = Avx512F.FusedMultiplyAdd(Vector512.Create(a3[2 * rowStride]), b, sum5);
            sum6 = Avx512F.FusedMultiplyAdd(Vector512.Create(*a6), b, sum6);
            sum7 = Avx512F.FusedMultiplyAdd(Vector512.Create(a6[rowStride]), b, sum7);
            sum8 = Avx512F.FusedMultiplyAdd(Vector512.Create(a6[2 * rowStride]), b, sum8);
            sum9 = Avx512F.FusedMultiplyAdd(Vector512.Create(*a9), b, sum9);
            sum10 = Avx512F.FusedMultiplyAdd(Vector512.Create(a9[rowStride]), b, sum10);
            sum11 = Avx512F.FusedMultiplyAdd(Vector512.Create(a9[2 * rowStride]), b, sum11);
            a += depthStride;
            a3 += depthStride;
            a6 += depthStride;
            a9 += depthStride;
            panel += TPanel.RowBytes;
        }

        sum0.Store(c);
        sum1.Store(c + ldc);
        sum2.Store(c + (2 * ldc));
        sum3.Store(c + (3 * ldc));
        sum4.Store(c + (4 * ldc));
        sum5.Store(c + (5 * ldc));
        sum6.Store(c + (6 * ldc));
        sum7.Store(c + (7 * ldc));
        sum8.Store(c + (8 * ldc));
        sum9.Store(c + (9 * ldc));
        sum10.Store(c + (10 * ldc));
        sum11.Store(c + (11 * ldc));
    }
}
