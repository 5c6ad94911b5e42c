using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Gateway.Model.Numerics;

/// <content>The peak of integer dot products.</content>
public static partial class MachineLimits
{
    private const int Int8Accumulators = 12;

    /// <summary>
    /// unsigned × signed 8-bit dot products from registers on <paramref name="threads"/> threads, in operations per second
    /// (two for each multiply-add).
    /// </summary>
    /// <remarks>
    /// Uses what a kernel can use: VNNI with 256 bits, or the two-step dot product of AVX-512 or AVX2 (multiply pairs to
    /// 16 bits, then add pairs to 32), or plain integer arithmetic. The fastest chunk counts, as in <see cref="MeasureFmaPeak"/>.
    /// </remarks>
    public static unsafe double MeasureInt8Peak(int threads)
    {
        using var team = new WorkerTeam(threads);
        var chunks = ChunksPerThread * threads;
        var seconds = new double[chunks];
        fixed (double* first = seconds)
        {
            var work = new Int8Work(first);
            team.Run(chunks, ref work);
        }

        var bytes = AvxVnni.IsSupported ? 32 : Avx512BW.IsSupported ? 64 : Avx2.IsSupported ? 32 : 4;
        return 2.0 * bytes * Int8Accumulators * Rounds * threads / seconds.Min();
    }

    private readonly unsafe struct Int8Work(double* seconds) : IChunkedWork
    {
        public void Run(int chunk, int worker)
        {
            var started = Stopwatch.GetTimestamp();
            var result = AvxVnni.IsSupported ? RunVnni(chunk) : Avx512BW.IsSupported ? RunPairs512(chunk) : Avx2.IsSupported ? RunPairs256(chunk) : RunInteger(chunk);
            GC.KeepAlive(result > 0 ? null : string.Empty);
            seconds[chunk] = Stopwatch.GetElapsedTime(started).TotalSeconds;
        }
    }

    [MethodImpl(Loop)]
    private static int RunVnni(int seed)
    {
        Vector256<byte> x = Vector256.Create((byte)seed);
        Vector256<sbyte> y = Vector256.Create((sbyte)1);
        Vector256<int> a0 = default, a1 = a0, a2 = a0, a3 = a0, a4 = a0, a5 = a0;
        Vector256<int> b0 = a0, b1 = a0, b2 = a0, b3 = a0, b4 = a0, b5 = a0;
        for (var i = 0; i < Rounds; i++)
        {
            a0 = AvxVnni.MultiplyWideningAndAdd(a0, x, y);
            a1 = AvxVnni.MultiplyWideningAndAdd(a1, x, y);
            a2 = AvxVnni.MultiplyWideningAndAdd(a2, x, y);
            a3 = AvxVnni.MultiplyWideningAndAdd(a3, x, y);
            a4 = AvxVnni.MultiplyWideningAndAdd(a4, x, y);
            a5 = AvxVnni.MultiplyWideningAndAdd(a5, x, y);
            b0 = AvxVnni.MultiplyWideningAndAdd(b0, x, y);
            b1 = AvxVnni.MultiplyWideningAndAdd(b1, x, y);
            b2 = AvxVnni.MultiplyWideningAndAdd(b2, x, y);
            b3 = AvxVnni.MultiplyWideningAndAdd(b3, x, y);
            b4 = AvxVnni.MultiplyWideningAndAdd(b4, x, y);
            b5 = AvxVnni.MultiplyWideningAndAdd(b5, x, y);
        }

        return Vector256.Sum(a0 + a1 + a2 + a3 + a4 + a5 + b0 + b1 + b2 + b3 + b4 + b5);
    }

    [MethodImpl(Loop)]
    private static int RunPairs512(int seed)
    {
        Vector512<byte> x = Vector512.Create((byte)seed);
        Vector512<sbyte> y = Vector512.Create((sbyte)1);
        Vector512<short> ones = Vector512.Create((short)1);
        Vector512<int> a0 = default, a1 = a0, a2 = a0, a3 = a0;
        for (var i = 0; i < Int8Accumulators / 4 * Rounds; i++)
        {
            // The left side changes with the accumulator, so that no product can be moved out of the loop.
            a0 += Avx512BW.MultiplyAddAdjacent(Avx512BW.MultiplyAddAdjacent(x ^ a0.AsByte(), y), ones);
            a1 += Avx512BW.MultiplyAddAdjacent(Avx512BW.MultiplyAddAdjacent(x ^ a1.AsByte(), y), ones);
            a2 += Avx512BW.MultiplyAddAdjacent(Avx512BW.MultiplyAddAdjacent(x ^ a2.AsByte(), y), ones);
            a3 += Avx512BW.MultiplyAddAdjacent(Avx512BW.MultiplyAddAdjacent(x ^ a3.AsByte(), y), ones);
        }

        return Vector512.Sum(a0 + a1 + a2 + a3);
    }

    [MethodImpl(Loop)]
    private static int RunPairs256(int seed)
    {
        Vector256<byte> x = Vector256.Create((byte)seed);
        Vector256<sbyte> y = Vector256.Create((sbyte)1);
        Vector256<short> ones = Vector256.Create((short)1);
        Vector256<int> a0 = default, a1 = a0, a2 = a0, a3 = a0;
        for (var i = 0; i < Int8Accumulators / 4 * Rounds; i++)
        {
            a0 += Avx2.MultiplyAddAdjacent(Avx2.MultiplyAddAdjacent(x ^ a0.AsByte(), y), ones);
            a1 += Avx2.MultiplyAddAdjacent(Avx2.MultiplyAddAdjacent(x ^ a1.AsByte(), y), ones);
            a2 += Avx2.MultiplyAddAdjacent(Avx2.MultiplyAddAdjacent(x ^ a2.AsByte(), y), ones);
            a3 += Avx2.MultiplyAddAdjacent(Avx2.MultiplyAddAdjacent(x ^ a3.AsByte(), y), ones);
        }

        return Vector256.Sum(a0 + a1 + a2 + a3);
    }

    [MethodImpl(Loop)]
    private static int RunInteger(int seed)
    {
        int a0 = seed, a1 = seed, a2 = seed, a3 = seed;
        for (var i = 0; i < Int8Accumulators * Rounds; i++)
        {
            a0 += (byte)a0 * (sbyte)3;
            a1 += (byte)a1 * (sbyte)5;
            a2 += (byte)a2 * (sbyte)7;
            a3 += (byte)a3 * (sbyte)9;
        }

        return a0 + a1 + a2 + a3;
    }
}
