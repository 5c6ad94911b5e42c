namespace Gateway.Engine.Scheduling;

/// <summary>What one caller has been served: tokens read and tokens written, the latter twice as they cost a row each as well.</summary>
internal sealed class FairShare
{
    /// <summary>The virtual token counter.</summary>
    public double Served { get; set; }

    /// <summary>Sequences that wait or run.</summary>
    public int Active { get; set; }
}

/// <summary>
/// The virtual token counters of all callers (Sheng et al. 2024, Fairness in Serving Large Language Models). A caller who
/// comes back is lifted to the least served of the active ones: being idle earns no credit. Compute thread only.
/// </summary>
internal sealed class FairShares
{
    private readonly Dictionary<string, FairShare> _shares = new(StringComparer.Ordinal);

    /// <summary>Callers that are remembered.</summary>
    public int Count => _shares.Count;

    /// <summary>Notes that a sequence of this caller arrived.</summary>
    public FairShare Join(string caller)
    {
        var least = LeastActive();
        if (!_shares.TryGetValue(caller, out var share))
        {
            Forget(least);
            _shares.Add(caller, share = new FairShare());
        }

        if (share.Active++ == 0 && least is { } floor)
        {
            share.Served = Math.Max(share.Served, floor);
        }

        return share;
    }

    /// <summary>Notes that a sequence of this caller ended.</summary>
    public static void Leave(FairShare share) => share.Active--;

    private double? LeastActive()
    {
        double? least = null;
        foreach (var share in _shares.Values)
        {
            least = share.Active > 0 && !(share.Served >= least) ? share.Served : least;
        }

        return least;
    }

    /// <summary>Drops idle callers whose counter says nothing any more: they would be lifted to the least active one or above.</summary>
    private void Forget(double? least)
    {
        foreach (var (caller, share) in _shares)
        {
            if (share.Active == 0 && (least is null || share.Served <= least))
            {
                _shares.Remove(caller);
            }
        }
    }
}
