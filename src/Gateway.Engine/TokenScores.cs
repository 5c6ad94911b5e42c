using Gateway.Engine.Sampling;

namespace Gateway.Engine;

/// <summary>
/// Log-probabilities of the tokens of one sequence, reserved at submission and filled by the compute thread: those of a token are
/// there once its event was read, those of the prompt with the first event.
/// </summary>
public sealed class TokenScores
{
    private readonly int _first;
    private readonly float[] _chosen;
    private readonly TokenLogprob[] _largest;

    internal TokenScores(int first, int count, int largest)
    {
        (_first, Largest) = (first, largest);
        _chosen = GC.AllocateUninitializedArray<float>(count);

        // Pages that are never written cost nothing, however long the reply might have become.
        _largest = GC.AllocateUninitializedArray<TokenLogprob>(count * largest);
    }

    /// <summary>Alternatives per token.</summary>
    public int Largest { get; }

    /// <summary>The log-probability of the token at a position of the sequence; position 0 is the prompt's first token, which has none.</summary>
    public float Chosen(int position) => _chosen[position - _first];

    /// <summary>The likeliest tokens at a position, the likeliest first.</summary>
    public ReadOnlySpan<TokenLogprob> LargestAt(int position) => _largest.AsSpan((position - _first) * Largest, Largest);

    internal Span<TokenLogprob> Room(int position) => _largest.AsSpan((position - _first) * Largest, Largest);

    internal void SetChosen(int position, float logprob) => _chosen[position - _first] = logprob;
}
