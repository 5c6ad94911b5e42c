using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Gateway.Model.Numerics;

/// <content>The peak of integer dot products.</content>
public static partial class MachineLimits
{
    private const int Int8Accumulators = 12;
    private const int WeightVectors = 8;

    /// <summary>
    /// unsigned × signed 8-bit dot products from registers on <paramref name="threads"/> threads, in operations per second
    /// (two for each multiply-add).
    /// </summary>
    /// <remarks>
    /// Uses what a kernel can use and is exact for all values: VNNI with 256 bits, or products of widened numbers on AVX-512
    /// or AVX2 (two 16-bit products to a 32-bit lane, and an addition), or plain integer arithmetic. The fastest chunk counts,
    /// as in <see cref="MeasureFmaPeak"/>. 4-bit numbers need fewer instructions than this: their products can exceed it.
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

        var bytes = AvxVnni.IsSupported ? 32 : Avx512BW.IsSupported ? 32 : Avx2.IsSupported ? 16 : 4;
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
    private static unsafe int RunPairs512(int seed)
    {
        // The weights come from memory and change with the round, so that no product can be moved out of the loop.
        short* weights = stackalloc short[32 * (WeightVectors + 1)];
        new Span<short>(weights, 32 * (WeightVectors + 1)).Fill((short)(seed & 255));
        Vector512<short> x0 = Vector512.Create((short)1), x1 = Vector512.Create((short)2), x2 = Vector512.Create((short)3), x3 = Vector512.Create((short)4);
        Vector512<int> a0 = default, a1 = a0, a2 = a0, a3 = a0, b0 = a0, b1 = a0, b2 = a0, b3 = a0;
        for (var i = 0; i < Int8Accumulators * Rounds / 8; i++)
        {
            short* source = weights + ((i & (WeightVectors - 1)) * 32);
            Vector512<short> left = Vector512.Load(source), right = Vector512.Load(source + 32);
            a0 += Avx512BW.MultiplyAddAdjacent(left, x0);
            b0 += Avx512BW.MultiplyAddAdjacent(right, x0);
            a1 += Avx512BW.MultiplyAddAdjacent(left, x1);
            b1 += Avx512BW.MultiplyAddAdjacent(right, x1);
            a2 += Avx512BW.MultiplyAddAdjacent(left, x2);
            b2 += Avx512BW.MultiplyAddAdjacent(right, x2);
            a3 += Avx512BW.MultiplyAddAdjacent(left, x3);
            b3 += Avx512BW.MultiplyAddAdjacent(right, x3);
        }

        return Vector512.Sum(a0 + a1 + a2 + a3 + b0 + b1 + b2 + b3);
    }

    [MethodImpl(Loop)]
    private static unsafe int RunPairs256(int seed)
    {
        // The weights come from memory and change with the round, so that no product can be moved out of the loop.
        short* weights = stackalloc short[16 * (WeightVectors + 1)];
        new Span<short>(weights, 16 * (WeightVectors + 1)).Fill((short)(seed & 255));
        Vector256<short> x0 = Vector256.Create((short)1), x1 = Vector256.Create((short)2), x2 = Vector256.Create((short)3), x3 = Vector256.Create((short)4);
        Vector256<int> a0 = default, a1 = a0, a2 = a0, a3 = a0, b0 = a0, b1 = a0, b2 = a0, b3 = a0;
        for (var i = 0; i < Int8Accumulators * Rounds / 8; i++)
        {
            short* source = weights + ((i & (WeightVectors - 1)) * 16);
            Vector256<short> left = Vector256.Load(source), right = Vector256.Load(source + 16);
            a0 += Avx2.MultiplyAddAdjacent(left, x0);
            b0 += Avx2.MultiplyAddAdjacent(right, x0);
            a1 += Avx2.MultiplyAddAdjacent(left, x1);
            b1 += Avx2.MultiplyAddAdjacent(right, x1);
            a2 += Avx2.MultiplyAddAdjacent(left, x2);
            b2 += Avx2.MultiplyAddAdjacent(right, x2);
            a3 += Avx2.MultiplyAddAdjacent(left, x3);
            b3 += Avx2.MultiplyAddAdjacent(right, x3);
        }

        return Vector256.Sum(a0 + a1 + a2 + a3 + b0 + b1 + b2 + b3);
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
