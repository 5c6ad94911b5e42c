namespace Gateway.Engine.Speculation;

/// <summary>
/// How many tokens of one sequence are worth verifying: as many as raise the expected tokens per second, given how often its
/// proposals were right and what a row costs. Where they are not worth it, it pauses and tries again ever more rarely, so that
/// text that repeats nothing loses next to nothing. Allocates nothing.
/// </summary>
internal sealed class DraftController
{
    /// <summary>Most tokens proposed at once.</summary>
    public const int Most = 8;

    private const double Weight = 0.25;
    private const double AtFirst = 0.5;
    private const double OnTrial = 0.3;
    private const int FirstPause = 8;
    private const int LongestPause = 256;

    private double _agreement = AtFirst;
    private int _pause;
    private int _nextPause = FirstPause;

    /// <summary>Tokens to propose in this step, or 0.</summary>
    /// <param name="streams">Sequences that reply in this step.</param>
    /// <param name="cost">What steps cost by their rows.</param>
    /// <param name="most">Upper limit.</param>
    public int Length(int streams, Scheduling.StepCost cost, int most)
    {
        if (_pause > 0)
        {
            if (--_pause == 0)
            {
                _agreement = Math.Max(_agreement, OnTrial);
            }

            return 0;
        }

        var plain = cost.ReplySeconds(streams);
        if (plain == 0)
        {
            return 0;
        }

        var (best, bestRate) = (0, streams / plain);
        var (expected, chance) = ((double)streams, 1.0);
        for (var length = 1; length <= Math.Min(most, Most); length++)
        {
            chance *= _agreement;
            expected += chance;
            var rate = expected / cost.ReplySeconds(streams + length);
            if (rate > bestRate)
            {
                (best, bestRate) = (length, rate);
            }
        }

        if (best == 0)
        {
            _pause = _nextPause;
            _nextPause = Math.Min(2 * _nextPause, LongestPause);
        }

        return best;
    }

    /// <summary>Learns how many of the proposed tokens were right.</summary>
    public void Observe(int proposed, int accepted)
    {
        // The chance of one token: with the first wrong one the row ends, so there were accepted + 1 trials.
        var agreement = accepted == proposed ? 1 : accepted / (accepted + 1.0);
        _agreement += Weight * (agreement - _agreement);
        if (accepted == proposed)
        {
            _nextPause = FirstPause;
        }
    }
}
