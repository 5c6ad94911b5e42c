using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Gateway.Model.Numerics;

/// <content>The bandwidth of memory.</content>
public static partial class MachineLimits
{
    private const int ReadRuns = 5;
    private const int VectorsPerRound = 8;

    // Past the page that the loads are in: the hardware's own prefetcher stops at the end of a page.
    private const int PrefetchBytes = 4096;

    /// <summary>
    /// Bytes per second that <paramref name="threads"/> threads read together from a buffer: the best of five passes, each
    /// thread over one contiguous range.
    /// </summary>
    /// <remarks>
    /// Five passes rely on the hardware's prefetcher, which serves one thread best, and five ask for lines a page ahead, which
    /// serves several threads best; the better way counts.
    /// </remarks>
    /// <exception cref="ArgumentOutOfRangeException">The buffer has less than 2 MiB for each thread.</exception>
    public static unsafe double MeasureRead(int threads, ReadBuffer buffer)
    {
        ArgumentNullException.ThrowIfNull(buffer);
        var perRange = buffer.Bytes / threads / ReadBuffer.HugePage * ReadBuffer.HugePage;
        ArgumentOutOfRangeException.ThrowIfLessThan(perRange, ReadBuffer.HugePage, nameof(buffer));
        using var team = new WorkerTeam(threads);
        var best = double.MaxValue;
        for (var run = 0; run < 2 * ReadRuns; run++)
        {
            var work = new ReadWork(buffer.Data, perRange, prefetch: run % 2 == 1 ? PrefetchBytes : 0);
            var started = Stopwatch.GetTimestamp();
            team.Run(threads, ref work);
            best = Math.Min(best, Stopwatch.GetElapsedTime(started).TotalSeconds);
        }

        return perRange * threads / best;
    }

    private readonly unsafe struct ReadWork(byte* buffer, long perRange, int prefetch) : IChunkedWork
    {
        public void Run(int chunk, int worker)
        {
            var first = buffer + (chunk * perRange);
            var sum = Vector512.IsHardwareAccelerated ? Sum512(first, perRange, prefetch) : Sum256(first, perRange, prefetch);
            GC.KeepAlive(sum > 0 ? null : string.Empty);
        }
    }

    [MethodImpl(Loop)]
    private static unsafe long Sum512(byte* data, long bytes, int prefetch)
    {
        Vector512<long> a0 = default, a1 = a0, a2 = a0, a3 = a0, a4 = a0, a5 = a0, a6 = a0, a7 = a0;
        var end = data + bytes;
        for (; data < end; data += VectorsPerRound * 64)
        {
            if (prefetch != 0)
            {
                Prefetch(data + prefetch, VectorsPerRound * 64);
            }

            a0 += Vector512.LoadAligned((long*)data);
            a1 += Vector512.LoadAligned((long*)(data + 64));
            a2 += Vector512.LoadAligned((long*)(data + 128));
            a3 += Vector512.LoadAligned((long*)(data + 192));
            a4 += Vector512.LoadAligned((long*)(data + 256));
            a5 += Vector512.LoadAligned((long*)(data + 320));
            a6 += Vector512.LoadAligned((long*)(data + 384));
            a7 += Vector512.LoadAligned((long*)(data + 448));
        }

        return Vector512.Sum(a0 + a1 + a2 + a3 + a4 + a5 + a6 + a7);
    }

    [MethodImpl(Loop)]
    private static unsafe long Sum256(byte* data, long bytes, int prefetch)
    {
        Vector256<long> a0 = default, a1 = a0, a2 = a0, a3 = a0, a4 = a0, a5 = a0, a6 = a0, a7 = a0;
        var end = data + bytes;
        for (; data < end; data += VectorsPerRound * 32)
        {
            if (prefetch != 0)
            {
                Prefetch(data + prefetch, VectorsPerRound * 32);
            }

            a0 += Vector256.LoadAligned((long*)data);
            a1 += Vector256.LoadAligned((long*)(data + 32));
            a2 += Vector256.LoadAligned((long*)(data + 64));
            a3 += Vector256.LoadAligned((long*)(data + 96));
            a4 += Vector256.LoadAligned((long*)(data + 128));
            a5 += Vector256.LoadAligned((long*)(data + 160));
            a6 += Vector256.LoadAligned((long*)(data + 192));
            a7 += Vector256.LoadAligned((long*)(data + 224));
        }

        return Vector256.Sum(a0 + a1 + a2 + a3 + a4 + a5 + a6 + a7);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static unsafe void Prefetch(byte* data, int bytes)
    {
        for (var line = 0; line < bytes && Sse.IsSupported; line += 64)
        {
            // Past the end of the buffer a prefetch does nothing: it never faults.
            Sse.Prefetch0(data + line);
        }
    }
}
