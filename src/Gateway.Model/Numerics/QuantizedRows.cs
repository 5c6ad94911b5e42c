namespace Gateway.Model.Numerics;

/// <summary>Where quantized activations lie: per row and group whole numbers −127..127, their f32 scale, and −offset·Σ numbers.</summary>
/// <param name="Values">[rows][groups · group depth], zero past the width.</param>
/// <param name="Scales">[rows][groups].</param>
/// <param name="Corrections">[rows][groups].</param>
/// <param name="Groups">Groups per row.</param>
/// <param name="Stride">Bytes from one row of values to the next.</param>
/// <param name="NumberBytes">
/// Bytes of a number: 1; or 2, and then the four depths of a quadruple lie in the order 0, 2, 1, 3: the even and the odd
/// ones are pairs of their own.
/// </param>
internal readonly unsafe record struct QuantizedRows(nint Values, nint Scales, nint Corrections, int Groups, int Stride, int NumberBytes)
{
    public sbyte* Row(int row) => (sbyte*)Values + ((nint)row * Stride);

    public float* RowScales(int row) => (float*)Scales + ((nint)row * Groups);

    public int* RowCorrections(int row) => (int*)Corrections + ((nint)row * Groups);

    /// <summary>Bytes that <paramref name="rows"/> rows of <paramref name="width"/> activations need.</summary>
    public static long BytesFor(int rows, int width, int groupDepth, int numberBytes)
    {
        int groups = (width + groupDepth - 1) / groupDepth;
        return (long)rows * groups * ((groupDepth * numberBytes) + sizeof(float) + sizeof(int));
    }

    /// <summary>Lays the three parts out in one block of memory.</summary>
    public static QuantizedRows Over(void* memory, int rows, int width, int groupDepth, int numberBytes)
    {
        int groups = (width + groupDepth - 1) / groupDepth;
        nint values = (nint)memory;
        int stride = groups * groupDepth * numberBytes;
        nint scales = values + ((nint)rows * stride);
        nint corrections = scales + ((nint)rows * groups * sizeof(float));
        return new QuantizedRows(values, scales, corrections, groups, stride, numberBytes);
    }
}
