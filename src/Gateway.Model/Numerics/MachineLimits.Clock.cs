using System.Diagnostics;
using System.Runtime.CompilerServices;

namespace Gateway.Model.Numerics;

/// <content>The clock that the other limits scale with.</content>
public static partial class MachineLimits
{
    private const int ClockRuns = 20;

    /// <summary>
    /// The clock of one core in Hz under light load: a chain of additions of which each waits for the one before and takes
    /// one cycle. Tells whether a peak that differs from another machine's differs by its clock.
    /// </summary>
    public static double MeasureClock()
    {
        var best = double.MaxValue;
        for (var run = 0; run < ClockRuns; run++)
        {
            var started = Stopwatch.GetTimestamp();
            var result = AddChain(run, 2 * run + 1);
            best = Math.Min(best, Stopwatch.GetElapsedTime(started).TotalSeconds);
            GC.KeepAlive(result > 0 ? null : string.Empty);
        }

        return 8.0 * Rounds / best;
    }

    [MethodImpl(Loop)]
    private static long AddChain(long a, long b)
    {
        // Fibonacci: neither operand is known before, so no two additions can be folded into one.
        for (var i = 0; i < Rounds; i++)
        {
            a += b;
            b += a;
            a += b;
            b += a;
            a += b;
            b += a;
            a += b;
            b += a;
        }

        return a + b;
    }
}
