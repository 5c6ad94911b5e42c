using System.Diagnostics;
using Gateway.Engine;

namespace Gateway.Bench;

/// <summary>One reply under way, with the time of every token as its reader saw it.</summary>
internal sealed class StreamClock
{
    private readonly GenerationStream _stream;
    private readonly long[] _times;
    private int _count;
    private bool _ended;

    /// <summary>Submits a request.</summary>
    /// <exception cref="InvalidOperationException">The engine did not accept it.</exception>
    public StreamClock(InferenceEngine engine, GenerationRequest request)
    {
        Started = Stopwatch.GetTimestamp();
        var outcome = engine.Submit(request, out var stream);
        _stream = stream ?? throw new InvalidOperationException($"the engine answered {outcome} to a request of the bench.");
        _times = new long[request.MaximumTokens];
        Tokens = new List<int>(request.MaximumTokens);
    }

    /// <summary>When it was submitted, in ticks of <see cref="Stopwatch"/>.</summary>
    public long Started { get; }

    /// <summary>When each token read so far arrived.</summary>
    public ReadOnlySpan<long> Times => _times.AsSpan(0, _count);

    /// <summary>The tokens read so far.</summary>
    public List<int> Tokens { get; }

    /// <summary>Reads until <paramref name="tokens"/> have arrived or the reply has ended.</summary>
    /// <exception cref="InvalidOperationException">The reply failed.</exception>
    public async Task ReadAsync(int tokens)
    {
        while (!_ended && _count < tokens && await _stream.WaitToReadAsync().ConfigureAwait(false))
        {
            while (_count < tokens && _stream.TryRead(out var item))
            {
                Take(item);
            }
        }
    }

    /// <summary>Gives the reply up; a reader comes to its end soon.</summary>
    public void Cancel() => _stream.Cancel();

    /// <summary>Gives the reply up and waits until the engine has let go of everything it held.</summary>
    public async Task EndAsync()
    {
        Cancel();
        while (!_ended && await _stream.WaitToReadAsync().ConfigureAwait(false))
        {
            while (_stream.TryRead(out var item))
            {
                Take(item);
            }
        }
    }

    private void Take(GenerationEvent item)
    {
        if (item.Finish is { } reason)
        {
            _ended = true;
            if (reason == FinishReason.Failed)
            {
                throw new InvalidOperationException(item.Error);
            }
        }
        else
        {
            _times[_count++] = Stopwatch.GetTimestamp();
            Tokens.Add(item.Token);
        }
    }
}
