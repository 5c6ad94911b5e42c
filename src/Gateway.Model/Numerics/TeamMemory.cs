using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Gateway.Model.Numerics;

/// <summary>What the threads of a <see cref="WorkerTeam"/> tell each other, in native memory: one pair of cache lines for what is rarely written, then the shares.</summary>
[StructLayout(LayoutKind.Explicit, Size = Apart)]
internal unsafe struct TeamMemory
{
    /// <summary>Bytes between things that different threads write: two cache lines, because processors fetch them in pairs.</summary>
    public const int Apart = 128;

    /// <summary>Workers that sleep and must be woken.</summary>
    [FieldOffset(0)]
    public int Parked;

    /// <summary>1 when the team ends.</summary>
    [FieldOffset(4)]
    public int Stopping;

    /// <summary>1 when a chunk of the current job has thrown.</summary>
    [FieldOffset(8)]
    public int Failed;

    /// <summary>Zeroed memory for a team; <see cref="Free"/> gives it back.</summary>
    public static TeamMemory* Allocate(int threads)
    {
        nuint bytes = (nuint)(Apart + (threads * sizeof(TeamShare)));
        void* memory = NativeMemory.AlignedAlloc(bytes, Apart);
        NativeMemory.Clear(memory, bytes);
        return (TeamMemory*)memory;
    }

    public static void Free(TeamMemory* memory) => NativeMemory.AlignedFree(memory);

    /// <summary>The share of a thread.</summary>
    public TeamShare* Share(int thread) => (TeamShare*)((byte*)Unsafe.AsPointer(ref this) + Apart) + thread;
}

/// <summary>One thread's part of a job, and what it has done since the team exists.</summary>
[StructLayout(LayoutKind.Explicit, Size = 2 * TeamMemory.Apart)]
internal unsafe struct TeamShare
{
    /// <summary>The job's number in the upper half, the next chunk to run in the lower.</summary>
    [FieldOffset(0)]
    public long Next;

    /// <summary>The chunk after the last of this share.</summary>
    [FieldOffset(8)]
    public int End;

    /// <summary>First argument of <see cref="Body"/>.</summary>
    [FieldOffset(16)]
    public void* Work;

    /// <summary>Runs one chunk: (work, chunk, thread).</summary>
    [FieldOffset(24)]
    public delegate*<void*, int, int, void> Body;

    /// <summary>Chunks that this thread has run, its own and others'.</summary>
    [FieldOffset(TeamMemory.Apart)]
    public long Done;
}
