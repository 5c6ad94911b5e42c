namespace Gateway.Domain.Routing;

/// <summary>A worker that could take a request, as the choice sees it.</summary>
/// <param name="Identity">Hash of its name; the same in every process.</param>
/// <param name="InFlight">Requests it is answering.</param>
/// <param name="AdapterInFlight">Of these, requests for the adapter in question.</param>
public readonly record struct WorkerCandidate(ulong Identity, int InFlight, int AdapterInFlight);

/// <summary>
/// Rendezvous hashing with bounded load. An adapter has home workers: as many of the first in its own order as its present
/// load needs, so a rare one stays in the memory of one worker and a busy one spreads. Among the homes a prompt's beginning
/// decides, so that a conversation finds its cached prefix. No worker gets more than 1.25 times the mean, rounded up. Pure; all
/// front doors that see the same loads choose alike, and a worker that comes or goes moves only what it gains or loses.
/// </summary>
public static class BoundedRendezvous
{
    private const double Slack = 1.25;
    private const int OnStack = 64;

    /// <summary>The most requests one worker may have after the next is placed.</summary>
    public static int Capacity(int workers, int inFlight) => (int)Math.Ceiling(Slack * (inFlight + 1) / workers);

    /// <summary>The index of the worker for a request.</summary>
    /// <param name="candidates">At least one worker, in any order.</param>
    /// <param name="adapter">Hash of the adapter generation; 0 for the base model, whose home is everywhere.</param>
    /// <param name="prefix">Hash of the prompt's beginning.</param>
    public static int Choose(ReadOnlySpan<WorkerCandidate> candidates, ulong adapter, ulong prefix)
    {
        if (candidates.Length == 1)
        {
            return 0;
        }

        var (total, ofAdapter) = (0, 0);
        foreach (var candidate in candidates)
        {
            total += candidate.InFlight;
            ofAdapter += candidate.AdapterInFlight;
        }

        var capacity = Capacity(candidates.Length, total);
        var homes = adapter == 0 ? candidates.Length : Math.Min(candidates.Length, (ofAdapter + capacity) / capacity);
        var lowestHome = homes == candidates.Length ? 0 : LowestOfHighest(candidates, adapter, homes);

        var (best, bestIsHome, bestScore) = (-1, false, 0ul);
        for (var i = 0; i < candidates.Length; i++)
        {
            if (candidates[i].InFlight >= capacity)
            {
                continue;
            }

            // A home that is full passes on to the next in the adapter's order, which becomes its home when the load stays.
            var rank = Score(candidates[i].Identity, adapter);
            var isHome = rank >= lowestHome;
            var score = isHome ? Score(candidates[i].Identity, prefix) : rank;
            if (best < 0 || (isHome && !bestIsHome) || (isHome == bestIsHome && score > bestScore))
            {
                (best, bestIsHome, bestScore) = (i, isHome, score);
            }
        }

        return best;
    }

    private static ulong LowestOfHighest(ReadOnlySpan<WorkerCandidate> candidates, ulong adapter, int count)
    {
        Span<ulong> scores = candidates.Length <= OnStack ? stackalloc ulong[candidates.Length] : new ulong[candidates.Length];
        for (var i = 0; i < candidates.Length; i++)
        {
            scores[i] = Score(candidates[i].Identity, adapter);
        }

        scores.Sort();
        return scores[^count];
    }

    private static ulong Score(ulong identity, ulong key) => RoutingHash.Mix(identity ^ RoutingHash.Mix(key));
}
