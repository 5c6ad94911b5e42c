using System.Runtime.InteropServices;

namespace Gateway.Model.Numerics;

/// <summary>Native memory aligned to a cache line, so that no 64-byte vector load crosses two lines.</summary>
internal static unsafe class AlignedMemory
{
    public const int Alignment = 64;

    /// <summary>Zeroed memory for <paramref name="count"/> floats; the caller frees it.</summary>
    public static float* Allocate(long count)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(count);
        nuint bytes = checked((nuint)Math.Max(count, 1) * sizeof(float));
        void* data = NativeMemory.AlignedAlloc(bytes, Alignment);
        NativeMemory.Clear(data, bytes);
        return (float*)data;
    }

    public static void Free(float* data) => NativeMemory.AlignedFree(data);
}
