using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Gateway.Model.Numerics;

/// <summary>Memory for <see cref="MachineLimits.MeasureRead"/>, kept from one measurement to the next.</summary>
/// <remarks>
/// It is written before, so that every page exists, no two alike, so that nothing below can share them. It is aligned to
/// 2 MiB: where the kernel gives large pages to everybody, it gets them; it does not ask for them.
/// </remarks>
public sealed unsafe class ReadBuffer : IDisposable
{
    /// <summary>Bytes that no cache holds: 1 GiB.</summary>
    public const long BeyondCaches = 1L << 30;

    internal const int HugePage = 2 << 20;

    private byte* _data;

    /// <summary>Takes and writes whole large pages, at least one.</summary>
    public ReadBuffer(long bytes = BeyondCaches)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(bytes, HugePage);
        Bytes = bytes / HugePage * HugePage;
        _data = (byte*)NativeMemory.AlignedAlloc((nuint)Bytes, HugePage);
        Write(_data, Bytes);
    }

    ~ReadBuffer() => Free();

    /// <summary>Its size.</summary>
    public long Bytes { get; }

    internal byte* Data
    {
        get
        {
            ObjectDisposedException.ThrowIf(_data is null, this);
            return _data;
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Free();
        GC.SuppressFinalize(this);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Write(byte* data, long bytes)
    {
        for (long offset = 0; offset < bytes; offset += sizeof(long))
        {
            *(long*)(data + offset) = offset;
        }
    }

    private void Free()
    {
        NativeMemory.AlignedFree(_data);
        _data = null;
    }
}
