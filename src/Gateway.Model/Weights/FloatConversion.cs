namespace Gateway.Model.Weights;

/// <summary>Conversions between f32 and the two 16-bit float formats; sources may be unaligned.</summary>
internal static unsafe class FloatConversion
{
    private const uint ExponentMask = 0x7F80_0000;

    /// <summary>Copies f32 values; false when one of them is not finite.</summary>
    public static bool CopyF32(byte* source, float* destination, long count)
    {
        Buffer.MemoryCopy(source, destination, count * 4, count * 4);
        return AllFinite(destination, count);
    }

    /// <summary>Widens IEEE half floats; false when one of them is not finite.</summary>
    public static bool WidenF16(byte* source, float* destination, long count)
    {
        for (var i = 0L; i < count; i++)
        {
            destination[i] = (float)BitConverter.UInt16BitsToHalf(ReadUInt16(source, i));
        }

        return AllFinite(destination, count);
    }

    /// <summary>Widens bfloat16 values, whose bits are the upper half of an f32; false when one of them is not finite.</summary>
    public static bool WidenBF16(byte* source, float* destination, long count)
    {
        var bits = (uint*)destination;
        for (var i = 0L; i < count; i++)
        {
            bits[i] = (uint)ReadUInt16(source, i) << 16;
        }

        return AllFinite(destination, count);
    }

    /// <summary>True when no value is NaN or infinite.</summary>
    public static bool AllFinite(float* values, long count)
    {
        var bits = (uint*)values;
        var broken = 0u;
        for (var i = 0L; i < count; i++)
        {
            broken |= (bits[i] & ExponentMask) == ExponentMask ? 1u : 0u;
        }

        return broken == 0;
    }

    private static ushort ReadUInt16(byte* source, long index) => (ushort)(source[2 * index] | (source[(2 * index) + 1] << 8));
}
