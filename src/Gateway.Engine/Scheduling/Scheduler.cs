using Gateway.Model.Network;

namespace Gateway.Engine.Scheduling;

/// <summary>What the scheduler knows of a sequence.</summary>
/// <param name="Cached">Positions already in the cache.</param>
/// <param name="Pending">Known tokens not yet in the cache: 1 while decoding, more while the prompt is being read.</param>
/// <param name="Blocks">Cache blocks it holds.</param>
public readonly record struct SequenceLoad(int Cached, int Pending, int Blocks);

/// <summary>
/// Decides what one step computes: pure integers in, integers out. Sequences are ordered by arrival. Every decoding sequence
/// gets its one token, the rest of the budget goes to prompts in chunks, then waiting sequences are admitted first come, first
/// served. A sequence is admitted only when the blocks of all its pending tokens are free, so prompts never run out midway;
/// when a growing reply finds no block, the youngest sequence gives its blocks up and is computed again later. The oldest
/// is never the victim of another, therefore every sequence ends.
/// </summary>
public static class Scheduler
{
    /// <summary>A grant that means: give all blocks back and wait.</summary>
    public const int Preempt = -1;

    /// <summary>
    /// Fills <paramref name="grants"/> with tokens per sequence, first for <paramref name="running"/>, then for the admitted
    /// head of <paramref name="waiting"/>: 1. decoding sequences; 2. prompts under way; 3. admissions.
    /// </summary>
    /// <param name="running">Sequences that hold blocks, oldest first.</param>
    /// <param name="waiting">Sequences without blocks, oldest first.</param>
    /// <param name="freeBlocks">Blocks that can be taken.</param>
    /// <param name="tokenBudget">Largest sum of grants; above <paramref name="maximumRunning"/>.</param>
    /// <param name="maximumRunning">Largest number of running sequences.</param>
    /// <param name="grants">At least <paramref name="maximumRunning"/> long.</param>
    /// <returns>How many waiting sequences are admitted.</returns>
    public static int Plan(
        ReadOnlySpan<SequenceLoad> running, ReadOnlySpan<SequenceLoad> waiting, int freeBlocks, int tokenBudget, int maximumRunning, Span<int> grants)
    {
        grants[..running.Length].Clear();

        // 1. Decoding sequences, oldest first; out of blocks, the youngest gives way (possibly the asking one itself).
        var youngest = running.Length - 1;
        for (var i = 0; i <= youngest; i++)
        {
            if (running[i].Pending != 1)
            {
                continue;
            }

            var needed = BlocksFor(running[i].Cached + 1) - running[i].Blocks;
            while (needed > freeBlocks && i <= youngest)
            {
                grants[youngest] = Preempt;
                freeBlocks += running[youngest].Blocks;
                youngest--;
            }

            if (i <= youngest)
            {
                freeBlocks -= needed;
                grants[i] = 1;
                tokenBudget--;
            }
        }

        // 2. Prompts under way; their blocks were reserved at admission.
        for (var i = 0; i <= youngest; i++)
        {
            if (running[i].Pending > 1)
            {
                grants[i] = Math.Min(running[i].Pending, tokenBudget);
                tokenBudget -= grants[i];
            }
        }

        // 3. Admissions. Not in a step that preempted: the victim waits first in line and its blocks were needed.
        if (youngest < running.Length - 1)
        {
            return 0;
        }

        var admitted = 0;
        while (admitted < waiting.Length && running.Length + admitted < maximumRunning && tokenBudget > 0
            && BlocksFor(waiting[admitted].Pending) <= freeBlocks)
        {
            var grant = Math.Min(waiting[admitted].Pending, tokenBudget);
            freeBlocks -= BlocksFor(waiting[admitted].Pending);
            tokenBudget -= grant;
            grants[running.Length + admitted] = grant;
            admitted++;
        }

        return admitted;
    }

    /// <summary>Blocks that hold this many tokens.</summary>
    public static int BlocksFor(int tokens) => (tokens + KvCache.BlockTokens - 1) / KvCache.BlockTokens;
}
