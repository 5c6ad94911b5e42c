namespace Gateway.Bench;

/// <summary>Where a run of the bench is; calls come from one thread at a time.</summary>
/// <param name="report">Receives the stage, what is measured now, and the part of the stage that is done.</param>
internal sealed class BenchProgress(Action<string, string, double> report)
{
    private string _stage = string.Empty;
    private string _now = string.Empty;
    private int _total = 1;
    private int _done;

    /// <summary>Begins a stage of <paramref name="total"/> measurements.</summary>
    public void Begin(string stage, int total)
    {
        (_stage, _now, _total, _done) = (stage, string.Empty, Math.Max(1, total), 0);
        Report();
    }

    /// <summary>Says what is measured now.</summary>
    public void Measuring(string what)
    {
        _now = what;
        Report();
    }

    /// <summary>One measurement is done.</summary>
    public void Advance()
    {
        _done++;
        Report();
    }

    private void Report() => report(_stage, _now, (double)_done / _total);
}
