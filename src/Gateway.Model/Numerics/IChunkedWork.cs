namespace Gateway.Model.Numerics;

/// <summary>A job that a <see cref="WorkerTeam"/> works through chunk by chunk.</summary>
/// <remarks>Chunks run at the same time on several threads and must not write the same memory.</remarks>
internal interface IChunkedWork
{
    /// <summary>Does one chunk; <paramref name="worker"/> 0..threads-1 names private scratch memory.</summary>
    void Run(int chunk, int worker);
}
