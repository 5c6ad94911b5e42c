using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Gateway.Model.Numerics;

/// <summary>What this machine can do at best, measured: the denominator of every share of peak.</summary>
public static partial class MachineLimits
{
    private const int Rounds = 50_000;
    private const int Accumulators = 16;
    private const int ChunksPerThread = 64;

    // Compiled once, fully, and on its own: inlined into a caller, the accumulators of a loop leave their registers.
    private const MethodImplOptions Loop = MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining;

    /// <summary>f32 fused multiply-adds from registers on <paramref name="threads"/> threads, in operations per second (two for each multiply-add).</summary>
    /// <remarks>
    /// Takes some ten milliseconds. Each chunk is shorter than a time slice of the operating system, and the fastest
    /// one counts for all threads: other work on the machine only lowers a rate, it never raises it.
    /// </remarks>
    public static unsafe double MeasureFmaPeak(int threads)
    {
        using var team = new WorkerTeam(threads);
        int chunks = ChunksPerThread * threads;
        double[] seconds = new double[chunks];
        fixed (double* first = seconds)
        {
            var work = new FmaWork(first);
            team.Run(chunks, ref work);
        }

        int lanes = Avx512Lanes.IsSupported ? 16 : Avx2Lanes.IsSupported ? 8 : 1;
        return 2.0 * lanes * Accumulators * Rounds * threads / seconds.Min();
    }

    private readonly unsafe struct FmaWork(double* seconds) : IChunkedWork
    {
        public void Run(int chunk, int worker)
        {
            long started = Stopwatch.GetTimestamp();
            float result = Avx512Lanes.IsSupported ? Run512(chunk) : Avx2Lanes.IsSupported ? Run256(chunk) : RunScalar(chunk);
            GC.KeepAlive(result > 0 ? null : string.Empty);
            seconds[chunk] = Stopwatch.GetElapsedTime(started).TotalSeconds;
        }
    }

    [MethodImpl(Loop)]
    private static float Run512(float seed)
    {
        Vector512<float> x = Vector512.Create(seed), y = Vector512.Create(0.5f);
        Vector512<float> a0 = x, a1 = x, a2 = x, a3 = x, a4 = x, a5 = x, a6 = x, a7 = x;
        Vector512<float> b0 = x, b1 = x, b2 = x, b3 = x, b4 = x, b5 = x, b6 = x, b7 = x;
        for (int i = 0; i < Rounds; i++)
        {
            a0 = Avx512F.FusedMultiplyAdd(x, y, a0);
            a1 = Avx512F.FusedMultiplyAdd(x, y, a1);
            a2 = Avx512F.FusedMultiplyAdd(x, y, a2);
            a3 = Avx512F.FusedMultiplyAdd(x, y, a3);
            a4 = Avx512F.FusedMultiplyAdd(x, y, a4);
            a5 = Avx512F.FusedMultiplyAdd(x, y, a5);
            a6 = Avx512F.FusedMultiplyAdd(x, y, a6);
            a7 = Avx512F.FusedMultiplyAdd(x, y, a7);
            b0 = Avx512F.FusedMultiplyAdd(x, y, b0);
            b1 = Avx512F.FusedMultiplyAdd(x, y, b1);
            b2 = Avx512F.FusedMultiplyAdd(x, y, b2);
            b3 = Avx512F.FusedMultiplyAdd(x, y, b3);
            b4 = Avx512F.FusedMultiplyAdd(x, y, b4);
            b5 = Avx512F.FusedMultiplyAdd(x, y, b5);
            b6 = Avx512F.FusedMultiplyAdd(x, y, b6);
            b7 = Avx512F.FusedMultiplyAdd(x, y, b7);
        }

        return Vector512.Sum(a0 + a1 + a2 + a3 + a4 + a5 + a6 + a7 + b0 + b1 + b2 + b3 + b4 + b5 + b6 + b7);
    }

    [MethodImpl(Loop)]
    private static float Run256(float seed)
    {
        Vector256<float> x = Vector256.Create(seed), y = Vector256.Create(0.5f);
        Vector256<float> a0 = x, a1 = x, a2 = x, a3 = x, a4 = x, a5 = x, a6 = x, a7 = x;
        for (int i = 0; i < 2 * Rounds; i++)
        {
            a0 = Fma.MultiplyAdd(x, y, a0);
            a1 = Fma.MultiplyAdd(x, y, a1);
            a2 = Fma.MultiplyAdd(x, y, a2);
            a3 = Fma.MultiplyAdd(x, y, a3);
            a4 = Fma.MultiplyAdd(x, y, a4);
            a5 = Fma.MultiplyAdd(x, y, a5);
            a6 = Fma.MultiplyAdd(x, y, a6);
            a7 = Fma.MultiplyAdd(x, y, a7);
        }

        return Vector256.Sum(a0 + a1 + a2 + a3 + a4 + a5 + a6 + a7);
    }

    [MethodImpl(Loop)]
    private static float RunScalar(float seed)
    {
        float a0 = seed, a1 = seed, a2 = seed, a3 = seed;
        for (int i = 0; i < Accumulators / 4 * Rounds; i++)
        {
            a0 = MathF.FusedMultiplyAdd(seed, 0.5f, a0);
            a1 = MathF.FusedMultiplyAdd(seed, 0.5f, a1);
            a2 = MathF.FusedMultiplyAdd(seed, 0.5f, a2);
            a3 = MathF.FusedMultiplyAdd(seed, 0.5f, a3);
        }

        return a0 + a1 + a2 + a3;
    }
}
