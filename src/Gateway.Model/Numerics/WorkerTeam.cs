using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Runtime.ExceptionServices;
using System.Runtime.Intrinsics.X86;

namespace Gateway.Model.Numerics;

/// <summary>A fixed team of threads that works through the chunks of one job at a time, the caller included.</summary>
/// <remarks>
/// A job is published by one 64-bit word, (epoch, next chunk): a worker claims a chunk by compare-and-set on that
/// word, so a claim can only succeed in the job whose fields it has read. The caller waits for chunks, never for
/// workers: a worker that sleeps through a job costs nothing. Idle workers spin for about 20 µs, then park.
/// One job at a time: a second caller, or a chunk that starts a job of its own, is refused.
/// </remarks>
public sealed unsafe class WorkerTeam : IDisposable
{
    private const long SpinMicroseconds = 20;
    private const uint Closed = int.MaxValue;
    private const int LooksPerTimestamp = 16;
    private const int LooksBeforeYield = 1000;

    private readonly Thread[] _workers;
    private readonly SemaphoreSlim _wake = new(0);
    private readonly long _spinTicks = Stopwatch.Frequency * SpinMicroseconds / 1_000_000;

    private long _ticket = (long)Closed;
    private int _chunks;
    private int _completed;
    private void* _work;
    private delegate*<void*, int, int, void> _body;
    private Exception? _failure;
    private int _parked;
    private int _busy;
    private volatile bool _stopping;

    public WorkerTeam(int threads)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(threads, 1);
        _workers = new Thread[threads - 1];
        for (int i = 0; i < _workers.Length; i++)
        {
            int worker = i + 1;
            _workers[i] = new Thread(() => Work(worker)) { IsBackground = true, Name = $"compute {worker}" };
            _workers[i].Start();
        }
    }

    /// <summary>Threads that take part in a job, the caller included.</summary>
    public int Threads => _workers.Length + 1;

    /// <summary>Workers that are parked now: an idle team ends with all but the caller parked.</summary>
    internal int Parked => Volatile.Read(ref _parked);

    /// <summary>Runs <paramref name="body"/> for every chunk 0..chunks-1 in any order; returns when all are done.</summary>
    /// <remarks>The first exception stops the remaining chunks and is thrown again here.</remarks>
    public void Run(int chunks, Action<int> body)
    {
        ArgumentNullException.ThrowIfNull(body);
        var work = new ActionWork(body);
        Run(chunks, ref work);
    }

    /// <summary>Runs a job held on the caller's stack, without allocating.</summary>
    internal void Run<TWork>(int chunks, ref TWork work)
        where TWork : struct, IChunkedWork
    {
        ObjectDisposedException.ThrowIf(_stopping, this);
        if (chunks <= 0)
        {
            return;
        }

        if (Interlocked.Exchange(ref _busy, 1) != 0)
        {
            throw new InvalidOperationException("The team already runs a job: give each caller thread its own Compute, and start no job from inside a chunk.");
        }

        try
        {
            if (chunks == 1 || _workers.Length == 0)
            {
                for (int chunk = 0; chunk < chunks; chunk++)
                {
                    work.Run(chunk, 0);
                }
            }
            else
            {
                // The job lives in a local of the caller or of this method: the address stays fixed while it runs.
                RunShared(chunks, Unsafe.AsPointer(ref work), &Invoke<TWork>);
            }
        }
        finally
        {
            Volatile.Write(ref _busy, 0);
        }
    }

    public void Dispose()
    {
        if (_stopping)
        {
            return;
        }

        _stopping = true;
        _wake.Release(Math.Max(1, _workers.Length));
        foreach (Thread worker in _workers)
        {
            worker.Join();
        }

        _wake.Dispose();
    }

    private static void Invoke<TWork>(void* work, int chunk, int worker)
        where TWork : struct, IChunkedWork => Unsafe.AsRef<TWork>(work).Run(chunk, worker);

    private void RunShared(int chunks, void* work, delegate*<void*, int, int, void> body)
    {
        // 1. Fill in the job; the ticket is closed, so nobody claims while the fields change.
        long epoch = unchecked((int)((_ticket >> 32) + 1));
        _chunks = chunks;
        _completed = 0;
        _work = work;
        _body = body;
        _failure = null;

        // 2. Publish it and wake whoever sleeps.
        Interlocked.Exchange(ref _ticket, epoch << 32);
        int parked = Volatile.Read(ref _parked) > 0 ? Interlocked.Exchange(ref _parked, 0) : 0;
        if (parked > 0)
        {
            _wake.Release(parked);
        }

        // 3. Take part, then wait for the chunks that others still hold.
        Claim(epoch, 0);
        AwaitCompletion(chunks);

        // 4. Close the ticket before the job's memory goes away.
        Interlocked.Exchange(ref _ticket, (epoch << 32) | Closed);
        _work = null;
        if (_failure is { } failure)
        {
            ExceptionDispatchInfo.Capture(failure).Throw();
        }
    }

    private void AwaitCompletion(int chunks)
    {
        // The last chunk of another thread is short: looking often costs less than a late look or a system call.
        for (int look = 0; look < LooksBeforeYield && Volatile.Read(ref _completed) < chunks; look++)
        {
            Pause();
        }

        var spinner = new SpinWait();
        while (Volatile.Read(ref _completed) < chunks)
        {
            spinner.SpinOnce(sleep1Threshold: -1);
        }
    }

    /// <summary>Some ten nanoseconds of rest for the processor; Thread.SpinWait rests at least several times as long.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Pause()
    {
        if (X86Base.IsSupported)
        {
            X86Base.Pause();
        }
        else
        {
            Thread.SpinWait(1);
        }
    }

    private void Work(int worker)
    {
        long seen = 0;
        while (!_stopping)
        {
            long epoch = AwaitJobAfter(seen);
            Claim(epoch, worker);
            seen = epoch;
        }
    }

    private void Claim(long epoch, int worker)
    {
        while (true)
        {
            long ticket = Volatile.Read(ref _ticket);
            int chunk = (int)(ticket & 0xFFFF_FFFF);
            int chunks = Volatile.Read(ref _chunks);
            void* work = _work;
            delegate*<void*, int, int, void> body = _body;
            if (ticket >> 32 != epoch || chunk >= chunks)
            {
                return;
            }

            if (Interlocked.CompareExchange(ref _ticket, ticket + 1, ticket) != ticket)
            {
                continue;
            }

            try
            {
                if (_failure is null)
                {
                    body(work, chunk, worker);
                }
            }
            catch (Exception exception)
            {
                Interlocked.CompareExchange(ref _failure, exception, null);
            }

            Interlocked.Increment(ref _completed);
        }
    }

    /// <summary>Spins, then parks, until a job newer than <paramref name="seen"/> is published or the team stops.</summary>
    private long AwaitJobAfter(long seen)
    {
        long started = Stopwatch.GetTimestamp();
        while (true)
        {
            for (int look = 0; look < LooksPerTimestamp; look++)
            {
                long epoch = Volatile.Read(ref _ticket) >> 32;
                if (epoch != seen || _stopping)
                {
                    return epoch;
                }

                Pause();
            }

            if (Stopwatch.GetTimestamp() - started >= _spinTicks)
            {
                Park(seen);
                started = Stopwatch.GetTimestamp();
            }
        }
    }

    private void Park(long seen)
    {
        Interlocked.Increment(ref _parked);
        bool jobArrived = Volatile.Read(ref _ticket) >> 32 != seen || _stopping;
        if (jobArrived && TryUnpark())
        {
            return;
        }

        // Either nothing has come, or the caller has counted this worker and its release is on the way.
        _wake.Wait();
    }

    private bool TryUnpark()
    {
        int parked = Volatile.Read(ref _parked);
        while (parked > 0)
        {
            int found = Interlocked.CompareExchange(ref _parked, parked - 1, parked);
            if (found == parked)
            {
                return true;
            }

            parked = found;
        }

        return false;
    }

    private readonly struct ActionWork(Action<int> body) : IChunkedWork
    {
        public void Run(int chunk, int worker) => body(chunk);
    }
}
