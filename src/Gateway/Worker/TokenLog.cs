using System.Text;
using Gateway.Api.Wire;
using Gateway.Engine;
using Gateway.Engine.Sampling;
using Gateway.Model.Text;

namespace Gateway.Worker;

/// <summary>
/// Keeps the tokens of a choice with their log-probabilities until the text they stand for is sent, and how likely the whole is:
/// where only that is asked for, nothing is ever released.
/// </summary>
internal sealed class TokenLog
{
    private readonly TokenScores _scores;
    private readonly Tokenizer _tokenizer;
    private readonly Queue<(int Token, int Position, int Start, int End)> _waiting = new();
    private readonly int _promptTokens;
    private int _decoded;
    private int _sent;
    private int _count;
    private double _sum;

    /// <summary>Begins with the prompt's tokens when they are echoed.</summary>
    public TokenLog(TokenScores scores, Tokenizer tokenizer, bool skipsSpecialTokens, PlannedPrompt prompt, bool echoes)
    {
        (_scores, _tokenizer, _promptTokens) = (scores, tokenizer, prompt.Ids.Length);
        if (!echoes)
        {
            return;
        }

        var decoder = new StreamingDecoder(tokenizer, skipsSpecialTokens);
        for (var position = 0; position < prompt.Ids.Length; position++)
        {
            Enqueue(prompt.Ids[position], position, decoder.Push(prompt.Ids[position]).Length);
        }

        // The reply begins behind the prompt as it was given, whatever its tokens make of it.
        _decoded = prompt.Text.Length;
    }

    /// <summary>Mean log-probability of the reply's tokens.</summary>
    public double Mean => _count == 0 ? double.NegativeInfinity : _sum / _count;

    /// <summary>Adds a token of the reply.</summary>
    public void Add(int token, int length)
    {
        var position = _promptTokens + _count++;
        _sum += _scores.Chosen(position);
        Enqueue(token, position, length);
    }

    /// <summary>The tokens of text that is sent now.</summary>
    /// <param name="length">Characters sent.</param>
    /// <param name="isLast">Whether nothing follows.</param>
    /// <param name="isCut">Whether a stop string cut the text: what lies behind is not the client's.</param>
    public IReadOnlyList<ScoredToken> Release(int length, bool isLast, bool isCut)
    {
        _sent += length;
        var released = new List<ScoredToken>();
        while (_waiting.TryPeek(out var next) && (isLast ? !isCut || next.Start < _sent : next.End <= _sent))
        {
            released.Add(Describe(_waiting.Dequeue()));
        }

        return released;
    }

    /// <summary>All tokens so far.</summary>
    public IReadOnlyList<ScoredToken> ReleaseAll() => Release(0, isLast: true, isCut: false);

    private void Enqueue(int token, int position, int length)
    {
        _waiting.Enqueue((token, position, _decoded, _decoded + length));
        _decoded += length;
    }

    private ScoredToken Describe((int Token, int Position, int Start, int End) token)
    {
        if (token.Position == 0)
        {
            // Nothing precedes it that could say how likely it was.
            return Describe(token.Token, null, [], token.Start);
        }

        var largest = _scores.LargestAt(token.Position);
        var alternatives = new ScoredToken[largest.Length];
        for (var i = 0; i < alternatives.Length; i++)
        {
            alternatives[i] = Describe(largest[i].Token, largest[i].Logprob, [], 0);
        }

        return Describe(token.Token, _scores.Chosen(token.Position), alternatives, token.Start);
    }

    private ScoredToken Describe(int token, double? logprob, IReadOnlyList<ScoredToken> alternatives, int offset)
    {
        var bytes = _tokenizer.TokenBytes(token);
        return new ScoredToken(Encoding.UTF8.GetString(bytes), bytes, logprob, alternatives, offset);
    }
}
