using Gateway.Model.Lora;

namespace Gateway.Model.Network;

/// <summary>Which rows of a slice need logits.</summary>
public enum LogitRows
{
    /// <summary>None: a prefill chunk before the last.</summary>
    None,

    /// <summary>The last row: the next token is sampled from it.</summary>
    Last,

    /// <summary>Every row: prompt scoring.</summary>
    All,
}

/// <summary>Consecutive tokens of one sequence that a forward pass processes.</summary>
/// <param name="Tokens">Token ids of this slice; at least one.</param>
/// <param name="StartPosition">Position of the first token; the cache already holds everything before it.</param>
/// <param name="Blocks">Cache blocks of the whole sequence in order, long enough for the slice's last position.</param>
/// <param name="Adapter">The adapter to apply, or null for the base model.</param>
/// <param name="Logits">The rows whose logits are wanted.</param>
public readonly record struct SequenceSlice(
    ReadOnlyMemory<int> Tokens, int StartPosition, ReadOnlyMemory<int> Blocks, LoraWeights? Adapter, LogitRows Logits)
{
    /// <summary>Receives the sum of the slice's final hidden states, added row by row to what it holds; null wants none.</summary>
    public float[]? Pool { get; init; }

    /// <summary>Number of logit rows the slice asks for.</summary>
    public int LogitRowCount => Logits switch
    {
        LogitRows.None => 0,
        LogitRows.Last => 1,
        _ => Tokens.Length,
    };
}
