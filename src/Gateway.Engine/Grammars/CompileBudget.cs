namespace Gateway.Engine.Grammars;

/// <summary>
/// Bounds what compiling one grammar may cost. It counts states instead of time, so that the same grammar is accepted or refused
/// on every machine.
/// </summary>
internal sealed class CompileBudget(CancellationToken cancellation)
{
    /// <summary>States, rules and schema nodes that one grammar may take together.</summary>
    public const int Maximum = 60_000;

    private int _spent;

    /// <summary>The construct under way, to be named when the budget ends.</summary>
    public string Pointer { get; set; } = "";

    /// <summary>Takes from the budget.</summary>
    /// <exception cref="GrammarException">Nothing is left.</exception>
    /// <exception cref="OperationCanceledException">The caller gave up.</exception>
    public void Spend(int count)
    {
        if (_spent / 256 != (_spent + count) / 256)
        {
            cancellation.ThrowIfCancellationRequested();
        }

        _spent += count;
        if (_spent > Maximum)
        {
            throw new GrammarException(Pointer, $"compiles to more than {Maximum} states: shorten repetitions, patterns, lists of values or alternatives");
        }
    }
}
