using Gateway.Model.Network;

namespace Gateway.Engine.Scheduling;

/// <summary>
/// Decides what one step computes: numbers in, numbers out. Running sequences are ordered by admission. Replies go first, so
/// that a long prompt never stops them; prompts share what is left of the step. A sequence is admitted only when the blocks of
/// all its known tokens are free, so prompts never run out midway; when a growing reply finds no block, the youngest sequence
/// gives its blocks up and is computed again later. A step needs at most one more block per reply, and the youngest frees at
/// least one: the block of its last token is nobody else's. So the oldest is never a victim, and every sequence ends.
/// Among callers the one that was served least comes first (virtual token counters: Sheng et al. 2024), and inside one caller
/// the oldest; nobody overtakes a sequence that is first in this order and does not fit yet, therefore nobody starves.
/// </summary>
public static class Scheduler
{
    /// <summary>A grant that means: give all blocks back and wait.</summary>
    public const int Preempt = -1;

    /// <summary>Most rows of one reply in one step: the drawn token and what a grammar added to it.</summary>
    public const int ReplyRows = 16;

    /// <summary>Grants every replying sequence its pending tokens, oldest first; out of blocks, the youngest sequence gives way, possibly the asking one itself.</summary>
    /// <param name="running">Sequences that hold blocks, in the order of their admission.</param>
    /// <param name="freeBlocks">Blocks that can be taken.</param>
    /// <param name="tokenBudget">Largest sum of grants; at least the number of running sequences.</param>
    /// <param name="grants">Receives tokens per sequence, 0 for one that reads its prompt, or <see cref="Preempt"/>.</param>
    /// <returns>What is left of the budget.</returns>
    public static int PlanReplies(ReadOnlySpan<SequenceLoad> running, int freeBlocks, int tokenBudget, Span<int> grants)
    {
        grants[..running.Length].Clear();
        var youngest = running.Length - 1;
        for (var i = 0; i <= youngest; i++)
        {
            if (running[i].ReadsPrompt)
            {
                continue;
            }

            // One token of the budget is kept for each of those that follow.
            var grant = Math.Min(Math.Min(running[i].Pending, ReplyRows), tokenBudget - (youngest - i));
            var needed = BlocksFor(running[i].Cached + grant) - running[i].Blocks;
            while (needed > freeBlocks && i <= youngest)
            {
                grants[youngest] = Preempt;
                freeBlocks += running[youngest].OwnBlocks;
                youngest--;
            }

            if (i <= youngest)
            {
                freeBlocks -= Math.Max(0, needed);
                grants[i] = grant;
                tokenBudget -= grant;
            }
        }

        return tokenBudget;
    }

    /// <summary>Shares a budget among the prompts: the whole of it to the caller served least, and what it leaves to the next.</summary>
    /// <param name="running">Sequences that hold the blocks of all their known tokens, in the order of their admission.</param>
    /// <param name="promptBudget">Largest sum of these grants.</param>
    /// <param name="grants">The grants of the replies; those of sequences without one are added.</param>
    public static void PlanPrompts(ReadOnlySpan<SequenceLoad> running, int promptBudget, Span<int> grants)
    {
        while (promptBudget > 0)
        {
            var next = -1;
            for (var i = 0; i < running.Length; i++)
            {
                if (grants[i] == 0 && (next < 0 || running[i].Served < running[next].Served))
                {
                    next = i;
                }
            }

            if (next < 0)
            {
                return;
            }

            grants[next] = Math.Min(running[next].Pending, promptBudget);
            promptBudget -= grants[next];
        }
    }

    /// <summary>Who is admitted next: the first that resumes, else the first of the caller served least; −1 when nobody waits but those held back.</summary>
    /// <param name="waiting">In the order of arrival.</param>
    public static int NextAdmission(ReadOnlySpan<QueueEntry> waiting)
    {
        var next = -1;
        for (var i = 0; i < waiting.Length; i++)
        {
            if (waiting[i].Resumes)
            {
                return i;
            }

            if (!waiting[i].Held && (next < 0 || waiting[i].Served < waiting[next].Served))
            {
                next = i;
            }
        }

        return next;
    }

    /// <summary>True when the blocks of all known tokens are there or free.</summary>
    public static bool Fits(SequenceLoad load, int freeBlocks) => BlocksFor(load.Cached + load.Pending) - load.Blocks <= freeBlocks;

    /// <summary>Blocks that hold this many tokens.</summary>
    public static int BlocksFor(int tokens) => (tokens + KvCache.BlockTokens - 1) / KvCache.BlockTokens;
}
