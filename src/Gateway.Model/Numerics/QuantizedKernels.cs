using System.Runtime.Intrinsics.X86;

namespace Gateway.Model.Numerics;

/// <summary>Picks the dot product that this processor has for a quantized product.</summary>
internal static unsafe class QuantizedKernels
{
    public static void Multiply(in QuantizedRows x, int firstRow, int rows, bool fourBits, byte* panels, nint panelBytes, int width, float* c, nint ldc, bool accumulate, in WeightStream stream)
    {
        if (AvxVnni.IsSupported)
        {
            if (fourBits)
            {
                QuantizedProduct<Int4Format, VnniDot>.Multiply(x, firstRow, rows, panels, panelBytes, width, c, ldc, accumulate, stream);
            }
            else
            {
                QuantizedProduct<Int8Format, VnniDot>.Multiply(x, firstRow, rows, panels, panelBytes, width, c, ldc, accumulate, stream);
            }
        }
        else if (fourBits)
        {
            QuantizedProduct<Int4Format, SmallDot>.Multiply(x, firstRow, rows, panels, panelBytes, width, c, ldc, accumulate, stream);
        }
        else
        {
            QuantizedProduct<Int8Format, SignDot>.Multiply(x, firstRow, rows, panels, panelBytes, width, c, ldc, accumulate, stream);
        }
    }
}
