using Gateway.Engine.Adapters;
using Gateway.Engine.Sampling;
using Gateway.Engine.Scheduling;

namespace Gateway.Engine;

/// <summary>
/// One request inside the engine. All its memory is reserved at submission; afterwards only the compute thread touches it.
/// </summary>
internal sealed class Sequence
{
    private readonly int[] _tokens;
    private readonly int[] _blocks;
    private readonly SamplingSettings _sampling;
    private readonly int[] _endTokens;
    private readonly int _promptLength;
    private int _length;
    private int _cached;
    private int _blockCount;
    private int _drawn;

    public Sequence(GenerationRequest request, GenerationStream output)
    {
        _promptLength = request.Prompt.Length;
        _length = _promptLength;
        _tokens = new int[_promptLength + request.MaximumTokens];
        request.Prompt.CopyTo(_tokens);
        _blocks = new int[Scheduler.BlocksFor(_tokens.Length)];
        _sampling = request.Sampling;
        _endTokens = [.. request.EndTokens];
        Adapter = request.Adapter;
        Output = output;
    }

    /// <summary>The pinned adapter; null for the base model.</summary>
    public AdapterLease? Adapter { get; }

    /// <summary>Where the reply goes.</summary>
    public GenerationStream Output { get; }

    /// <summary>What the scheduler needs to know.</summary>
    public SequenceLoad Load => new(_cached, _length - _cached, _blockCount);

    /// <summary>Tokens sampled so far.</summary>
    public int Sampled => _length - _promptLength;

    /// <summary>The blocks it holds.</summary>
    public ReadOnlyMemory<int> Blocks => _blocks.AsMemory(0, _blockCount);

    /// <summary>The next tokens to process and their position.</summary>
    public (ReadOnlyMemory<int> Tokens, int Start) Next(int count) => (_tokens.AsMemory(_cached, count), _cached);

    /// <summary>True when processing <paramref name="count"/> more tokens leaves none pending, so that the next one can be sampled.</summary>
    public bool ReachesEnd(int count) => _cached + count == _length;

    /// <summary>Takes the blocks that <paramref name="tokens"/> positions need; the scheduler has made sure that they are free.</summary>
    public void Reserve(int tokens, BlockPool pool)
    {
        var needed = Scheduler.BlocksFor(tokens) - _blockCount;
        if (needed > 0)
        {
            if (!pool.TryTake(_blocks.AsSpan(_blockCount, needed)))
            {
                throw new InvalidOperationException($"the plan needs {needed} blocks but only {pool.Free} are free.");
            }

            _blockCount += needed;
        }
    }

    /// <summary>Gives all blocks back; what was cached must be computed again.</summary>
    public void GiveUpBlocks(BlockPool pool)
    {
        pool.Return(_blocks.AsSpan(0, _blockCount));
        _blockCount = 0;
        _cached = 0;
    }

    /// <summary>Notes that tokens were processed.</summary>
    public void Advance(int count) => _cached += count;

    /// <summary>Draws the next token; may run on any thread of the team. The position makes the draw independent of preemption.</summary>
    public void Draw(Sampler sampler, Span<float> logits) => _drawn = sampler.Sample(logits, _sampling, _tokens.AsSpan(0, _length), _promptLength, []);

    /// <summary>Appends the drawn token and returns it, or returns what <see cref="Sampler.Sample"/> found instead of one.</summary>
    public int TakeDrawn()
    {
        if (_drawn >= 0)
        {
            _tokens[_length++] = _drawn;
        }

        return _drawn;
    }

    /// <summary>Why the reply ends with this sampled token, or null when it goes on.</summary>
    public FinishReason? EndsWith(int token) =>
        Array.IndexOf(_endTokens, token) >= 0 ? FinishReason.Stop
        : _length == _tokens.Length ? FinishReason.Length
        : null;
}
