using System.Diagnostics;
using System.Threading.Channels;

namespace Gateway.Engine;

/// <summary>
/// The events of one reply, for a single reader. The memory for all tokens is reserved at submission, so that the compute
/// thread writes without allocating however slowly the reader reads.
/// </summary>
public sealed class GenerationStream : ChannelReader<GenerationEvent>
{
    // Holds at most one wake-up: more would say nothing new.
    private readonly Channel<bool> _wake = Channel.CreateBounded<bool>(
        new BoundedChannelOptions(1) { SingleReader = true, SingleWriter = true, FullMode = BoundedChannelFullMode.DropWrite });

    private readonly int[] _tokens;
    private readonly Action _wakeEngine;
    private int _written;
    private int _read;
    private int _cachedPromptTokens;
    private GenerationEvent _end;
    private volatile bool _ended;
    private volatile bool _cancelRequested;
    private bool _endRead;

    internal GenerationStream(int maximumTokens, Action wakeEngine, TokenScores? scores = null, float[]? embedding = null)
    {
        (Scores, Embedding) = (scores, embedding ?? []);
        _tokens = new int[maximumTokens];
        _wakeEngine = wakeEngine;

        // The channel reserves its slot on the first write; make that happen here and not on the compute thread.
        _wake.Writer.TryWrite(true);
        _wake.Reader.TryRead(out _);
    }

    /// <summary>Prompt tokens that were found in the cache; 0 until the sequence is admitted.</summary>
    public int CachedPromptTokens
    {
        get => Volatile.Read(ref _cachedPromptTokens);
        internal set => Volatile.Write(ref _cachedPromptTokens, value);
    }

    /// <summary>Log-probabilities; null unless they were asked for.</summary>
    public TokenScores? Scores { get; }

    /// <summary>The mean of the last hidden states of the prompt's tokens; there when the sequence has ended with <see cref="FinishReason.Stop"/>.</summary>
    public ReadOnlyMemory<float> Embedding { get; }

    /// <summary>When it was submitted.</summary>
    internal long SubmittedAt { get; } = Stopwatch.GetTimestamp();

    /// <summary>True when the reader has all it wants: an end by a stop string is no cancellation.</summary>
    internal bool Satisfied { get; private set; }

    /// <summary>True once the caller gave up.</summary>
    internal bool CancelRequested => _cancelRequested;

    /// <summary>Like <see cref="Cancel"/>, for a reader that has the whole reply although tokens may follow.</summary>
    public void Complete()
    {
        Satisfied = true;
        Cancel();
    }

    /// <summary>Ends the sequence and frees its memory on the engine's next step; may be called from any thread, repeatedly.</summary>
    public void Cancel()
    {
        _cancelRequested = true;
        _wakeEngine();
    }

    /// <inheritdoc/>
    public override bool TryRead(out GenerationEvent item)
    {
        // The end is published after the last token, so it must be looked at first.
        var ended = _ended;
        if (_read < Volatile.Read(ref _written))
        {
            item = new GenerationEvent(_tokens[_read], null, ++_read, null);
            return true;
        }

        if (ended && !_endRead)
        {
            _endRead = true;
            item = _end;
            return true;
        }

        item = default;
        return false;
    }

    /// <inheritdoc/>
    public override async ValueTask<bool> WaitToReadAsync(CancellationToken cancellationToken = default)
    {
        while (true)
        {
            if (_read < Volatile.Read(ref _written) || (_ended && !_endRead))
            {
                return true;
            }

            if (_endRead)
            {
                return false;
            }

            await _wake.Reader.ReadAsync(cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>Appends a token (compute thread).</summary>
    internal void Write(int token)
    {
        _tokens[_written] = token;
        Volatile.Write(ref _written, _written + 1);
        _wake.Writer.TryWrite(true);
    }

    /// <summary>Publishes the end (compute thread); nothing may be written afterwards.</summary>
    internal void End(FinishReason reason, int sampledTokens, string? error, int? endToken = null)
    {
        _end = new GenerationEvent(-1, reason, sampledTokens, error) { CachedPromptTokens = _cachedPromptTokens, EndToken = endToken };
        _ended = true;
        _wake.Writer.TryWrite(true);
    }
}
