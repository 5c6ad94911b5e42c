namespace Gateway.Model.Numerics;

/// <summary>Moves the part of a register tile that lies inside the product between the product and a buffer.</summary>
internal static unsafe class RegisterTile
{
    public static void Copy(float* source, nint sourceStride, float* target, nint targetStride, int rows, int columns)
    {
        for (int row = 0; row < rows; row++)
        {
            new ReadOnlySpan<float>(source + (row * sourceStride), columns).CopyTo(new Span<float>(target + (row * targetStride), columns));
        }
    }
}
