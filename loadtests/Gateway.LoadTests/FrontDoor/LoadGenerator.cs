using System.Diagnostics;
using System.Runtime.InteropServices;

namespace Gateway.LoadTests.FrontDoor;

/// <summary>What one run measured, in milliseconds: to the first byte of the body, and to the last of the reply.</summary>
internal sealed record LoadResult(double[] First, double[] Whole, double Seconds)
{
    /// <summary>Replies per second.</summary>
    public double PerSecond => Whole.Length / Seconds;

    /// <summary>The value below which a share of the sorted values lies.</summary>
    public static double Quantile(double[] values, double share) => values[Math.Min(values.Length - 1, (int)(values.Length * share))];
}

/// <summary>
/// Sends at a fixed rate whatever comes back (open loop), or as fast as so many connections allow (closed loop). Latency in
/// the open loop counts from the moment at which a request was due, so a server that stalls is charged for every request
/// that had to wait. A thread per connection, woken by the kernel's own timer.
/// </summary>
internal static partial class LoadGenerator
{
    private const int OpenConnections = 48;
    private const int MonotonicClock = 1;
    private const int AbsoluteTime = 1;
    private const int SetTimerSlack = 29;

    /// <summary>Requests due at equal distances for so many seconds.</summary>
    public static LoadResult Open(int port, byte[] request, int rate, double seconds)
    {
        var count = (int)(rate * seconds);
        var (first, whole) = (new double[count], new double[count]);
        var next = -1;
        long start = 0;
        using var ready = new Barrier(OpenConnections, _ => start = Stopwatch.GetTimestamp() + (Stopwatch.Frequency / 10));
        OnThreads(OpenConnections, () =>
        {
            using var connection = Used(port, request, ready);
            prctl(SetTimerSlack, 1);
            while (Interlocked.Increment(ref next) is var i && i < count)
            {
                var due = start + (Stopwatch.Frequency * i / rate);
                SleepUntil(due);
                var body = connection.Exchange(request);
                first[i] = Milliseconds(due, body);
                whole[i] = Milliseconds(due, Stopwatch.GetTimestamp());
            }
        });
        return Sorted(first, whole, seconds);
    }

    /// <summary>
    /// A connection that has had its first reply, when all have: setting them up makes the server compile and allocate what
    /// requests do not, and a client keeps its connections.
    /// </summary>
    private static LoadConnection Used(int port, byte[] request, Barrier ready)
    {
        LoadConnection? connection = null;
        try
        {
            connection = new LoadConnection(port);
            connection.Exchange(request);
            ready.SignalAndWait();
            return connection;
        }
        catch
        {
            connection?.Dispose();
            ready.RemoveParticipant();
            throw;
        }
    }

    /// <summary>Each connection sends its next request when it has the reply to the one before.</summary>
    public static LoadResult Closed(int port, byte[] request, int connections, double seconds)
    {
        var all = new List<(double First, double Whole)>();
        var end = Stopwatch.GetTimestamp() + (long)(Stopwatch.Frequency * seconds);
        OnThreads(connections, () =>
        {
            using var connection = new LoadConnection(port);
            var own = new List<(double First, double Whole)>(1 << 16);
            while (Stopwatch.GetTimestamp() is var sent && sent < end)
            {
                var body = connection.Exchange(request);
                own.Add((Milliseconds(sent, body), Milliseconds(sent, Stopwatch.GetTimestamp())));
            }

            lock (all)
            {
                all.AddRange(own);
            }
        });
        return Sorted([.. all.Select(one => one.First)], [.. all.Select(one => one.Whole)], seconds);
    }

    private static LoadResult Sorted(double[] first, double[] whole, double seconds)
    {
        Array.Sort(first);
        Array.Sort(whole);
        return new(first, whole, seconds);
    }

    private static double Milliseconds(long from, long to) => (to - from) * 1000.0 / Stopwatch.Frequency;

    private static void OnThreads(int count, Action run)
    {
        Exception? failure = null;
        var threads = Enumerable.Range(0, count).Select(_ => new Thread(() =>
        {
            try
            {
                run();
            }
            catch (Exception exception)
            {
                failure ??= exception;
            }
        })).ToList();
        threads.ForEach(thread => thread.Start());
        threads.ForEach(thread => thread.Join());
        if (failure is not null)
        {
            throw new InvalidOperationException($"A request failed: {failure.Message}", failure);
        }
    }

    // Stopwatch counts nanoseconds of the monotonic clock on Linux, which is what the call takes.
    private static void SleepUntil(long timestamp)
    {
        var nanoseconds = (Int128)timestamp * 1_000_000_000 / Stopwatch.Frequency;
        var until = new TimeSpec { Seconds = (long)(nanoseconds / 1_000_000_000), Nanoseconds = (long)(nanoseconds % 1_000_000_000) };
        while (clock_nanosleep(MonotonicClock, AbsoluteTime, in until, 0) != 0)
        {
            // Interrupted by a signal: the time is absolute, so the rest is slept.
        }
    }

    [LibraryImport("libc")]
    private static partial int clock_nanosleep(int clock, int flags, in TimeSpec until, nint remaining);

    [LibraryImport("libc")]
    private static partial int prctl(int option, nuint value);

    private struct TimeSpec
    {
        public long Seconds;
        public long Nanoseconds;
    }
}
