using System.Runtime.InteropServices;

namespace Gateway.Model.Numerics;

/// <summary>Native memory aligned to a cache line, so that no 64-byte vector load crosses two lines.</summary>
/// <remarks>
/// Large blocks ask Linux for huge pages: hardware prefetchers stop at the end of a page, and streaming weights from
/// 2 MiB pages reads some 10 % faster than from 4 KiB pages.
/// </remarks>
internal static unsafe partial class AlignedMemory
{
    public const int Alignment = 64;

    private const uint HugePage = 2 << 20;
    private const int AdviseHugePage = 14;

    /// <summary>Zeroed memory for <paramref name="count"/> floats; the caller frees it.</summary>
    public static float* Allocate(long count)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(count);
        return (float*)AllocateBytes(checked(Math.Max(count, 1) * sizeof(float)));
    }

    /// <summary>Zeroed memory; the caller frees it.</summary>
    public static byte* AllocateBytes(long bytes)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(bytes);
        nuint size = (nuint)Math.Max(bytes, 1);
        bool large = bytes >= 2 * HugePage;
        void* data = NativeMemory.AlignedAlloc(size, large ? HugePage : (nuint)Alignment);
        if (large && OperatingSystem.IsLinux())
        {
            // A refusal costs speed only.
            _ = Advise(data, size, AdviseHugePage);
        }

        NativeMemory.Clear(data, size);
        return (byte*)data;
    }

    public static void Free(void* data) => NativeMemory.AlignedFree(data);

    [LibraryImport("libc", EntryPoint = "madvise")]
    private static partial int Advise(void* address, nuint length, int advice);
}
