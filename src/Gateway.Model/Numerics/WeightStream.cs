namespace Gateway.Model.Numerics;

/// <summary>
/// What a thread reads when it is through with its share of the current weights: fetching ahead goes on there, and not in
/// the share of another thread. The default value goes straight on.
/// </summary>
/// <param name="end">End of the thread's share of the current job.</param>
/// <param name="next">Start of its share of the next job.</param>
internal readonly unsafe struct WeightStream(byte* end, byte* next)
{
    /// <summary>Where to fetch when the stream would continue at <paramref name="ahead"/>.</summary>
    public byte* Follow(byte* ahead) => end is not null && ahead >= end ? next + (ahead - end) : ahead;
}

/// <summary>The weights that the next job reads, one matrix behind the other; a guess, which only costs time where it is wrong.</summary>
/// <param name="start">First byte.</param>
/// <param name="bytes">Length; 0 when nothing is known.</param>
internal readonly unsafe struct FollowingWeights(byte* start, long bytes)
{
    public bool Known => bytes > 0;

    /// <summary>Where the share of a thread starts.</summary>
    public byte* ShareOf(int thread, int threads) => start + (bytes * thread / threads / AlignedMemory.Alignment * AlignedMemory.Alignment);
}
