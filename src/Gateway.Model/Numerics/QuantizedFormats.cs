using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Gateway.Model.Numerics;

/// <summary>How a group of quantized weights of 16 outputs is stored: unsigned numbers, then 16 bfloat16 scales.</summary>
/// <remarks>
/// A weight is (stored − <see cref="Offset"/>) · scale. Numbers lie as [depth / 4][output][4], so that one 256-bit load
/// holds four depths of eight outputs: the operand of a dot-product instruction. With 4-bit numbers the second part of
/// the depths lies in the upper halves of the same bytes.
/// </remarks>
internal unsafe interface IQuantizedFormat
{
    /// <summary>Depths that share a scale.</summary>
    static abstract int GroupDepth { get; }

    /// <summary>What a stored number exceeds its value by.</summary>
    static abstract int Offset { get; }

    /// <summary>Bytes of the numbers of 16 outputs.</summary>
    static abstract int GroupBytes { get; }

    /// <summary>Numbers per byte.</summary>
    static abstract int Parts { get; }

    /// <summary>Four depths of eight outputs from one part of 32 bytes.</summary>
    static abstract Vector256<byte> Load(byte* source, int part);
}

/// <summary>8-bit numbers: 64 depths, 1024 bytes and scales for 16 outputs.</summary>
internal readonly unsafe struct Int8Format : IQuantizedFormat
{
    public static int GroupDepth => 64;

    public static int Offset => 128;

    public static int GroupBytes => 1024;

    public static int Parts => 1;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<byte> Load(byte* source, int part) => Vector256.Load(source);
}

/// <summary>4-bit numbers: 32 depths, 256 bytes and scales for 16 outputs; depth k in the low half of a byte, k + 16 in the high half.</summary>
internal readonly unsafe struct Int4Format : IQuantizedFormat
{
    public static int GroupDepth => 32;

    public static int Offset => 8;

    public static int GroupBytes => 256;

    public static int Parts => 2;

    /// <summary>Depths from a number in the low half of a byte to that in its high half.</summary>
    public static int PartDepth => 16;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<byte> Load(byte* source, int part)
    {
        Vector256<byte> both = Vector256.Load(source);
        return (part == 0 ? both : Vector256.ShiftRightLogical(both.AsUInt16(), 4).AsByte()) & Vector256.Create((byte)15);
    }
}
