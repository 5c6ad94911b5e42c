namespace Gateway.Domain.Rollouts;

/// <summary>
/// How many pairs the candidate lost (−1), tied (0) and won (+1): the whole state of a sequential test on 0/1 outcomes.
/// </summary>
public readonly record struct PairCounts(long Lost, long Tied, long Won)
{
    /// <summary>Number of pairs.</summary>
    public long Total => Lost + Tied + Won;

    /// <summary>Mean of candidate − control; 0 without pairs.</summary>
    public double Mean => Total == 0 ? 0 : (Won - Lost) / (double)Total;

    /// <summary>The counts with one more pair.</summary>
    public PairCounts Add(bool candidate, bool control) => (candidate, control) switch
    {
        (false, true) => this with { Lost = Lost + 1 },
        (true, false) => this with { Won = Won + 1 },
        _ => this with { Tied = Tied + 1 },
    };

    /// <summary>The counts of two disjoint sets of pairs together.</summary>
    public static PairCounts operator +(PairCounts a, PairCounts b) => new(a.Lost + b.Lost, a.Tied + b.Tied, a.Won + b.Won);
}
