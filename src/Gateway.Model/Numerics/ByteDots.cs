using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Gateway.Model.Numerics;

/// <summary>Sums of four products of stored weights and activations per 32-bit lane; all give the same exact integers.</summary>
internal interface IByteDot
{
    /// <summary>Where the sum of a group starts: the correction is −offset·Σ activation.</summary>
    static abstract Vector256<int> Start(int correction);

    static abstract Vector256<int> Add(Vector256<int> sum, Vector256<byte> weights, Vector256<sbyte> activations);
}

/// <summary>One instruction of AVX-VNNI: unsigned × signed without saturation.</summary>
internal readonly struct VnniDot : IByteDot
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> Start(int correction) => Vector256.Create(correction);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> Add(Vector256<int> sum, Vector256<byte> weights, Vector256<sbyte> activations) =>
        AvxVnni.MultiplyWideningAndAdd(sum, weights, activations);
}

/// <summary>AVX2 for 8-bit weights: |w|·(sign(w)·a), so that pairs of products stay within 16 bits; needs no correction.</summary>
internal readonly struct SignDot : IByteDot
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> Start(int correction) => Vector256<int>.Zero;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> Add(Vector256<int> sum, Vector256<byte> weights, Vector256<sbyte> activations)
    {
        Vector256<sbyte> signed = (weights ^ Vector256.Create((byte)128)).AsSByte();
        Vector256<short> pairs = Avx2.MultiplyAddAdjacent(Avx2.Abs(signed), Avx2.Sign(activations, signed));
        return sum + Avx2.MultiplyAddAdjacent(pairs, Vector256<short>.One);
    }
}

/// <summary>AVX2 for 4-bit weights: pairs of products of 0..15 and −127..127 stay within 16 bits.</summary>
internal readonly struct SmallDot : IByteDot
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> Start(int correction) => Vector256.Create(correction);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> Add(Vector256<int> sum, Vector256<byte> weights, Vector256<sbyte> activations) =>
        sum + Avx2.MultiplyAddAdjacent(Avx2.MultiplyAddAdjacent(weights, activations), Vector256<short>.One);
}
