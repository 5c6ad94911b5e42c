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

    internal override void MultiplyBfloat16(float* a, nint rowStride, int rows, byte* panels, nint panelBytes, int depth, int width, float* c, nint ldc, bool accumulate)
    {
        for (int row = 0; row < rows; row++)
        {
            for (int column = 0; column < width; column++)
            {
                ushort* right = (ushort*)(panels + (column / WeightMatrix.PanelWidth * panelBytes)) + (column % WeightMatrix.PanelWidth);
                float sum = accumulate ? c[(row * ldc) + column] : 0f;
                for (int k = 0; k < depth; k++)
                {
                    sum = MathF.FusedMultiplyAdd(a[(row * rowStride) + k], Bfloat16Matrix.ToSingle(right[(nint)k * WeightMatrix.PanelWidth]), sum);
                }

                c[(row * ldc) + column] = sum;
            }
        }
    }

    internal override int ActivationBytes(bool fourBits) => sizeof(sbyte);

    internal override void MultiplyQuantized(in QuantizedRows x, int firstRow, int rows, bool fourBits, byte* panels, nint panelBytes, int width, float* c, nint ldc, bool accumulate, in WeightStream stream)
    {
        int groupDepth = fourBits ? Int4Format.GroupDepth : Int8Format.GroupDepth;
        nint groupBytes = panelBytes / x.Groups;
        for (int row = 0; row < rows; row++)
        {
            for (int column = 0; column < width; column++)
            {
                byte* group = panels + (column / WeightMatrix.PanelWidth * panelBytes);
                float sum = accumulate ? c[(row * ldc) + column] : 0f;
                for (int g = 0; g < x.Groups; g++, group += groupBytes)
                {
                    int dot = 0;
                    for (int k = 0; k < groupDepth; k++)
                    {
                        dot += QuantizedMatrix.Number(group, column % WeightMatrix.PanelWidth, k, fourBits) * x.Row(firstRow + row)[(g * groupDepth) + k];
                    }

                    float scale = Bfloat16Matrix.ToSingle(((ushort*)(group + groupBytes))[(column % WeightMatrix.PanelWidth) - WeightMatrix.PanelWidth]);
                    sum = MathF.FusedMultiplyAdd(dot, x.RowScales(firstRow + row)[g] * scale, sum);
                }

                c[(row * ldc) + column] = sum;
            }
        }
    }
}
