using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Gateway.Model.Numerics;

/// <summary>How a group of quantized weights of 16 outputs is stored: unsigned numbers, then 16 bfloat16 scales.</summary>
/// <remarks>
/// A weight is (stored − <see cref="Offset"/>) · scale. Numbers lie as [depth / 4][output][4], so that one 256-bit load
/// holds four depths of eight outputs: the operand of a dot-product instruction. A loop step handles a pair of such
/// depth quadruples, which for 4-bit numbers share their bytes.
/// </remarks>
internal unsafe interface IQuantizedFormat
{
    /// <summary>Depths that share a scale.</summary>
    static abstract int GroupDepth { get; }

    /// <summary>What a stored number exceeds its value by.</summary>
    static abstract int Offset { get; }

    /// <summary>Bytes of numbers per pair of depth quadruples of 16 outputs.</summary>
    static abstract int PairBytes { get; }

    /// <summary>Depths from one pair to the next.</summary>
    static abstract int PairDepth { get; }

    /// <summary>Depths from the first quadruple of a pair to the second.</summary>
    static abstract int SecondDepth { get; }

    /// <summary>The pair at an address for eight outputs: four depths each.</summary>
    static abstract void Load(byte* source, out Vector256<byte> first, out Vector256<byte> second);
}

/// <summary>8-bit numbers: 64 depths, 1056 bytes for 16 outputs.</summary>
internal readonly unsafe struct Int8Format : IQuantizedFormat
{
    public static int GroupDepth => 64;

    public static int Offset => 128;

    public static int PairBytes => 128;

    public static int PairDepth => 8;

    public static int SecondDepth => 4;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Load(byte* source, out Vector256<byte> first, out Vector256<byte> second)
    {
        first = Vector256.Load(source);
        second = Vector256.Load(source + 64);
    }
}

/// <summary>4-bit numbers: 32 depths, 288 bytes for 16 outputs; depth k in the low half of a byte, k + 16 in the high half.</summary>
internal readonly unsafe struct Int4Format : IQuantizedFormat
{
    public static int GroupDepth => 32;

    public static int Offset => 8;

    public static int PairBytes => 64;

    public static int PairDepth => 4;

    public static int SecondDepth => 16;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Load(byte* source, out Vector256<byte> first, out Vector256<byte> second)
    {
        Vector256<byte> both = Vector256.Load(source);
        Vector256<byte> low = Vector256.Create((byte)15);
        first = both & low;
        second = Vector256.ShiftRightLogical(both.AsUInt16(), 4).AsByte() & low;
    }
}
