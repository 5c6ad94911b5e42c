namespace Gateway.Engine.Scheduling;

/// <summary>What the scheduler knows of a sequence.</summary>
/// <param name="Cached">Positions already in the cache.</param>
/// <param name="Pending">Known tokens not yet in the cache: few while replying, many while the prompt is being read.</param>
/// <param name="Blocks">Cache blocks it holds.</param>
/// <param name="OwnBlocks">Those of them that nobody shares and that would be free without it.</param>
/// <param name="Served">What its caller has been served so far; the smaller, the more urgent.</param>
public readonly record struct SequenceLoad(int Cached, int Pending, int Blocks, int OwnBlocks, double Served = 0)
{
    /// <summary>True for one that reads a prompt: more is pending than a reply gets at once, and the blocks for it were reserved at admission.</summary>
    public bool ReadsPrompt => Pending > Scheduler.ReplyRows && Scheduler.BlocksFor(Cached + Pending) <= Blocks;
}

/// <summary>A sequence that waits for room.</summary>
/// <param name="Served">What its caller has been served so far.</param>
/// <param name="Resumes">True when it ran before and gave its blocks up.</param>
/// <param name="Held">True while another sequence computes the prompt that it will share.</param>
public readonly record struct QueueEntry(double Served, bool Resumes, bool Held = false);
