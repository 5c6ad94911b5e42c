namespace Gateway.Model.Numerics;

internal sealed unsafe class Avx2Kernels : LaneKernels<Avx2Lanes>
{
    public override string Name => "avx2";

    internal override void Multiply(float* a, nint rowStride, nint depthStride, int rows, float* panels, nint panelStride, int depth, int width, float* c, nint ldc, bool accumulate) =>
        Scalar.Multiply(a, rowStride, depthStride, rows, panels, panelStride, depth, width, c, ldc, accumulate);
}
