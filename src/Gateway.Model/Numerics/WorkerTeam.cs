using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Runtime.ExceptionServices;
using System.Runtime.Intrinsics.X86;

namespace Gateway.Model.Numerics;

/// <summary>A fixed team of threads that works through the chunks of one job at a time, the caller included.</summary>
/// <remarks>
/// Every thread has a share of the chunks, neighbours of each other, and helps others when its own is done. A share is
/// one cache line that its owner alone touches in the usual case: (job number, next chunk) in one 64-bit word, claimed by
/// compare-and-set, and beside it what a claim needs, so that a job reaches a worker with one line and comes back with one.
/// Between distant cores every further line costs as much as a small chunk. A claim can only succeed in the job whose
/// fields were read, because the caller closes a share before it changes them.
/// The caller waits for chunks, never for workers: a worker that sleeps through a job costs nothing, since its share is
/// taken by others. Idle workers spin for about 20 µs, then park.
/// One job at a time: a second caller, or a chunk that starts a job of its own, is refused.
/// </remarks>
public sealed unsafe class WorkerTeam : IDisposable
{
    private const long SpinMicroseconds = 20;
    private const int LooksPerTimestamp = 16;
    private const int LooksBeforeYield = 1000;
    private const long Closed = int.MaxValue;

    private readonly Thread[] _workers;
    private readonly SemaphoreSlim _wake = new(0);
    private readonly long _spinTicks = Stopwatch.Frequency * SpinMicroseconds / 1_000_000;

    private TeamMemory* _memory;
    private Exception? _failure;
    private int _job;
    private int _busy;

    public WorkerTeam(int threads)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(threads, 1);
        _memory = TeamMemory.Allocate(threads);
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
    internal int Parked => Volatile.Read(ref _memory->Parked);

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
        ObjectDisposedException.ThrowIf(_memory is null, this);
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

    /// <summary>Where a thread's share of a job starts.</summary>
    internal static int FirstChunk(int thread, int threads, int chunks) => (int)((long)chunks * thread / threads);

    public void Dispose()
    {
        if (_memory is null)
        {
            return;
        }

        Volatile.Write(ref _memory->Stopping, 1);
        _wake.Release(Math.Max(1, _workers.Length));
        foreach (Thread worker in _workers)
        {
            worker.Join();
        }

        _wake.Dispose();
        TeamMemory.Free(_memory);
        _memory = null;
    }

    private static void Invoke<TWork>(void* work, int chunk, int worker)
        where TWork : struct, IChunkedWork => Unsafe.AsRef<TWork>(work).Run(chunk, worker);

    private void RunShared(int chunks, void* work, delegate*<void*, int, int, void> body)
    {
        // 1. Deal out the shares, the caller's last. Each is closed while its fields change, or a worker that is late could
        // take a chunk of the job before by the fields of this one; it is open from the moment its word is written.
        long job = unchecked(++_job);
        long before = DoneByWorkers();
        for (int thread = Threads - 1; thread >= 0; thread--)
        {
            TeamShare* share = _memory->Share(thread);
            int first = FirstChunk(thread, Threads, chunks);
            Volatile.Write(ref share->Next, share->Next | Closed);
            share->End = FirstChunk(thread + 1, Threads, chunks);
            share->Work = work;
            share->Body = body;
            Volatile.Write(ref share->Next, (job << 32) | (uint)first);
        }

        // 2. Wake whoever sleeps: who parks counts itself before it looks for a last time.
        Interlocked.MemoryBarrier();
        int parked = Volatile.Read(ref _memory->Parked) > 0 ? Interlocked.Exchange(ref _memory->Parked, 0) : 0;
        if (parked > 0)
        {
            _wake.Release(parked);
        }

        // 3. Take part, then wait for the chunks that others still hold.
        long wanted = before + chunks - RunShares(job, 0);
        for (int look = 0; look < LooksBeforeYield && DoneByWorkers() < wanted; look++)
        {
            // The last chunk of another thread is short: looking often costs less than a late look or a system call.
            Pause();
        }

        var spinner = new SpinWait();
        while (DoneByWorkers() < wanted)
        {
            spinner.SpinOnce(sleep1Threshold: -1);
        }

        if (_memory->Failed != 0)
        {
            _memory->Failed = 0;
            Exception failure = _failure!;
            _failure = null;
            ExceptionDispatchInfo.Capture(failure).Throw();
        }
    }

    /// <summary>Chunks that the workers have run since the team exists.</summary>
    private long DoneByWorkers()
    {
        long done = 0;
        for (int worker = 1; worker < Threads; worker++)
        {
            done += Volatile.Read(ref _memory->Share(worker)->Done);
        }

        return done;
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
        while (Volatile.Read(ref _memory->Stopping) == 0)
        {
            seen = AwaitJobAfter(seen, worker);
            RunShares(seen, worker);
        }
    }

    /// <summary>Runs the thread's own share of a job, then what is left of the others'; returns the chunks it has run.</summary>
    private long RunShares(long job, int thread)
    {
        long total = 0;
        for (int i = 0; i < Threads; i++)
        {
            int owner = thread + i < Threads ? thread + i : thread + i - Threads;
            long ran = RunShare(_memory->Share(owner), job, thread);
            if (ran > 0)
            {
                total += ran;
                TeamShare* own = _memory->Share(thread);
                Volatile.Write(ref own->Done, own->Done + ran);
            }
        }

        return total;
    }

    private long RunShare(TeamShare* share, long job, int thread)
    {
        long ran = 0;
        while (true)
        {
            long next = Volatile.Read(ref share->Next);
            int chunk = (int)(next & 0xFFFF_FFFF);
            void* work = share->Work;
            delegate*<void*, int, int, void> body = share->Body;
            if (next >> 32 != job || chunk >= share->End)
            {
                return ran;
            }

            if (Interlocked.CompareExchange(ref share->Next, next + 1, next) != next)
            {
                continue;
            }

            try
            {
                if (Volatile.Read(ref _memory->Failed) == 0)
                {
                    body(work, chunk, thread);
                }
            }
            catch (Exception exception)
            {
                if (Interlocked.CompareExchange(ref _failure, exception, null) is null)
                {
                    Volatile.Write(ref _memory->Failed, 1);
                }
            }

            ran++;
        }
    }

    /// <summary>Spins, then parks, until a job other than <paramref name="seen"/> is published or the team stops.</summary>
    private long AwaitJobAfter(long seen, int worker)
    {
        TeamShare* share = _memory->Share(worker);
        long started = Stopwatch.GetTimestamp();
        while (true)
        {
            for (int look = 0; look < LooksPerTimestamp; look++)
            {
                long job = Volatile.Read(ref share->Next) >> 32;
                if (job != seen)
                {
                    return job;
                }

                Pause();
            }

            if (Volatile.Read(ref _memory->Stopping) != 0)
            {
                return seen;
            }

            if (Stopwatch.GetTimestamp() - started >= _spinTicks)
            {
                Park(seen, share);
                started = Stopwatch.GetTimestamp();
            }
        }
    }

    private void Park(long seen, TeamShare* share)
    {
        Interlocked.Increment(ref _memory->Parked);
        bool jobArrived = Volatile.Read(ref share->Next) >> 32 != seen || Volatile.Read(ref _memory->Stopping) != 0;
        if (jobArrived && TryUnpark())
        {
            return;
        }

        // Either nothing has come, or the caller has counted this worker and its release is on the way.
        _wake.Wait();
    }

    private bool TryUnpark()
    {
        int parked = Volatile.Read(ref _memory->Parked);
        while (parked > 0)
        {
            int found = Interlocked.CompareExchange(ref _memory->Parked, parked - 1, parked);
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
