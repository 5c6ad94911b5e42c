using System.Runtime.Intrinsics.X86;

namespace Gateway.Model.Numerics;

/// <summary>Picks the tiles that this processor has for a quantized product.</summary>
internal static unsafe class QuantizedKernels
{
    /// <summary>Bytes of an activation's number in the left side of <see cref="Multiply"/>.</summary>
    public static int ActivationBytes(bool fourBits) => AvxVnni.IsSupported
        ? (fourBits ? VnniTiles<Int4Format>.ActivationBytes : VnniTiles<Int8Format>.ActivationBytes)
        : (fourBits ? Avx2Int4Tiles.ActivationBytes : Avx2Int8Tiles.ActivationBytes);

    public static void Multiply(in QuantizedRows x, int firstRow, int rows, bool fourBits, byte* panels, nint panelBytes, int width, float* c, nint ldc, bool accumulate, in WeightStream stream)
    {
        if (AvxVnni.IsSupported)
        {
            if (fourBits)
            {
                QuantizedProduct<VnniTiles<Int4Format>>.Multiply(x, firstRow, rows, panels, panelBytes, width, c, ldc, accumulate, stream);
            }
            else
            {
                QuantizedProduct<VnniTiles<Int8Format>>.Multiply(x, firstRow, rows, panels, panelBytes, width, c, ldc, accumulate, stream);
            }
        }
        else if (fourBits)
        {
            QuantizedProduct<Avx2Int4Tiles>.Multiply(x, firstRow, rows, panels, panelBytes, width, c, ldc, accumulate, stream);
        }
        else
        {
            QuantizedProduct<Avx2Int8Tiles>.Multiply(x, firstRow, rows, panels, panelBytes, width, c, ldc, accumulate, stream);
        }
    }
}
