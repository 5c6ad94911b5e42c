namespace Gateway.Model.Numerics;

/// <summary>Plain loops: the reference that every other set must match bit by bit.</summary>
internal sealed unsafe class ScalarKernels : LaneKernels<ScalarLanes>
{
    public override string Name => "scalar";

    internal override void Multiply(float* a, nint rowStride, nint depthStride, int rows, float* panels, nint panelStride, int depth, int width, float* c, nint ldc, bool accumulate)
    {
        for (int row = 0; row < rows; row++)
        {
            for (int column = 0; column < width; column++)
            {
                float* left = a + (row * rowStride);
                float* right = panels + (column / PackedMatrix.PanelWidth * panelStride) + (column % PackedMatrix.PanelWidth);
                float sum = accumulate ? c[(row * ldc) + column] : 0f;
                for (int k = 0; k < depth; k++)
                {
                    sum = MathF.FusedMultiplyAdd(left[k * depthStride], right[(nint)k * PackedMatrix.PanelWidth], sum);
                }

                c[(row * ldc) + column] = sum;
            }
        }
    }
}
