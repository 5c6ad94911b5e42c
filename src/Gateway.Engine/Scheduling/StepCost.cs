namespace Gateway.Engine.Scheduling;

/// <summary>
/// What steps cost on this machine, learned from the steps made: seconds of a step by its number of reply rows, and seconds
/// that one more row of a prompt adds. Moving averages, because contexts grow and machines are shared. Decides only how much
/// goes into a step, which never changes what comes out. Compute thread only; allocates nothing after construction.
/// </summary>
internal sealed class StepCost(int mostReplyRows)
{
    /// <summary>
    /// A step with a prompt in it shall take this many times as long as one without. The prompt then gets 1.2 of 2.2 parts of
    /// the time and waits 1.8 times as long as with steps of its own, were small steps as efficient as large ones; as they are
    /// not, it waits less than three times as long, and one pause in a hundred between the tokens of replies is three to four
    /// times as long as usual.
    /// </summary>
    private const double Stretch = 2.2;

    private const double Weight = 0.2;

    // Rows of a tile: fewer cost as much.
    private const int PromptRowsUnit = 4;
    private const int PromptRowsAtFirst = 32;

    // One disturbed step says little about the next: on a shared machine one in a hundred takes twice its time.
    private const double MostSurprise = 1.25;

    // Share of a step that one more reply row is believed to cost until it is measured.
    private const double RowAtFirst = 0.05;

    private readonly double[] _replies = new double[mostReplyRows + 1];
    private double _promptRow;

    /// <summary>Learns from a step.</summary>
    /// <param name="replyRows">Rows of sequences that reply, proposed tokens included.</param>
    /// <param name="promptRows">Rows of prompts.</param>
    /// <param name="seconds">What the step took.</param>
    public void Observe(int replyRows, int promptRows, double seconds)
    {
        if (promptRows == 0)
        {
            Learn(ref _replies[Math.Min(replyRows, mostReplyRows)], seconds);
        }
        else if (promptRows >= PromptRowsUnit)
        {
            Learn(ref _promptRow, Math.Max(0, seconds - ReplySeconds(replyRows)) / promptRows);
        }
    }

    /// <summary>Seconds of a step with this many reply rows and no prompt; 0 while nothing is known.</summary>
    public double ReplySeconds(int rows)
    {
        rows = Math.Min(rows, mostReplyRows);
        if (rows == 0 || _replies[rows] > 0)
        {
            return _replies[rows];
        }

        for (var distance = 1; distance <= mostReplyRows; distance++)
        {
            if (rows - distance > 0 && _replies[rows - distance] > 0)
            {
                return _replies[rows - distance] * (1 + (RowAtFirst * distance));
            }

            if (rows + distance <= mostReplyRows && _replies[rows + distance] > 0)
            {
                return _replies[rows + distance] / (1 + (RowAtFirst * distance));
            }
        }

        return 0;
    }

    /// <summary>How many rows of prompts a step may take beside this many reply rows: whole tiles, at least one.</summary>
    public int PromptRows(int replyRows, int most)
    {
        if (replyRows == 0)
        {
            return most;
        }

        var seconds = ReplySeconds(replyRows);
        var rows = seconds > 0 && _promptRow > 0 ? seconds * (Stretch - 1) / _promptRow : PromptRowsAtFirst;
        return Math.Min(most, Math.Max(PromptRowsUnit, (int)Math.Min(rows, most) / PromptRowsUnit * PromptRowsUnit));
    }

    private static void Learn(ref double average, double value) =>
        average = average == 0 ? value : average + (Weight * (Math.Min(value, MostSurprise * average) - average));
}
