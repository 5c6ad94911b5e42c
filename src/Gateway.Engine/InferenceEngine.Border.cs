using Gateway.Engine.Adapters;
using Gateway.Engine.Measurement;
using Gateway.Model.Network;

namespace Gateway.Engine;

/// <summary>The border of the engine: what other threads call, and the compute thread's sleep.</summary>
public sealed partial class InferenceEngine
{
    private const string StoppedError = "engine_stopped: the engine was stopped; send the request again.";

    // Guarded by the gate.
    private readonly object _gate = new();
    private readonly Queue<Sequence> _arrivals = new();
    private readonly Action _wakeEngine;
    private bool _woken;
    private bool _stopping;

    // Counters: written by the compute thread, except for the number of open requests.
    private int _open;
    private int _runningCount;
    private int _freeBlocks;
    private long _steps;
    private long _sampledTokens;
    private long _proposedTokens;
    private long _acceptedTokens;
    private long _promptTokens;
    private long _cachedPromptTokens;
    private long _preemptions;

    /// <summary>The adapters this engine can apply.</summary>
    public AdapterSlots Adapters { get; }

    /// <summary>Times and sizes of the requests so far; may be read from any thread.</summary>
    public EngineMeasurements Measurements { get; } = new();

    /// <summary>Tokens that one sequence, prompt and reply together, may have.</summary>
    public int MaximumSequenceLength => Math.Min(_model.Config.ContextLength, _options.CacheBlocks * KvCache.BlockTokens);

    /// <summary>A reading of the counters; may be taken from any thread.</summary>
    public EngineStatistics Statistics
    {
        get
        {
            var running = Volatile.Read(ref _runningCount);
            return new EngineStatistics
            {
                Running = running,
                Waiting = Math.Max(0, Volatile.Read(ref _open) - running),
                FreeBlocks = Volatile.Read(ref _freeBlocks),
                TotalBlocks = _pool.Total,
                Steps = Volatile.Read(ref _steps),
                SampledTokens = Volatile.Read(ref _sampledTokens),
                ProposedTokens = Volatile.Read(ref _proposedTokens),
                AcceptedTokens = Volatile.Read(ref _acceptedTokens),
                PromptTokens = Volatile.Read(ref _promptTokens),
                CachedPromptTokens = Volatile.Read(ref _cachedPromptTokens),
                Preemptions = Volatile.Read(ref _preemptions),
            };
        }
    }

    /// <summary>
    /// Hands a request to the compute thread; may be called from any thread. When accepted, the reply's events come through
    /// <paramref name="stream"/> and end exactly once; otherwise the lease stays the caller's.
    /// </summary>
    /// <exception cref="ArgumentException">Prompt or token limit is empty, a token is outside the vocabulary, or a sampling number outside its range.</exception>
    public SubmitOutcome Submit(GenerationRequest request, out GenerationStream? stream)
    {
        var outcome = Submit([request], out var streams);
        stream = streams is [var only] ? only : null;
        return outcome;
    }

    /// <summary>
    /// Hands several requests over, all or none. Those that follow one over the same prompt memory wait until it has computed
    /// the prompt's full blocks and then find them in the cache.
    /// </summary>
    /// <exception cref="ArgumentException">As for a single request.</exception>
    public SubmitOutcome Submit(IReadOnlyList<GenerationRequest> requests, out IReadOnlyList<GenerationStream>? streams)
    {
        streams = null;
        foreach (var request in requests)
        {
            if (!Fits(request))
            {
                return SubmitOutcome.PromptTooLong;
            }
        }

        if (Volatile.Read(ref _open) + requests.Count > MaximumOpen)
        {
            return SubmitOutcome.QueueFull;
        }

        var sequences = new Sequence[requests.Count];
        for (var i = 0; i < sequences.Length; i++)
        {
            var leader = i > 0 && requests[i].Prompt.Equals(requests[i - 1].Prompt) ? sequences[i - 1].Leader ?? sequences[i - 1] : null;
            sequences[i] = new Sequence(requests[i], _model.Config.HiddenSize, _baseModel, _wakeEngine, leader);
        }

        lock (_gate)
        {
            if (_stopping)
            {
                return SubmitOutcome.Stopped;
            }

            if (_open + sequences.Length > MaximumOpen)
            {
                return SubmitOutcome.QueueFull;
            }

            Interlocked.Add(ref _open, sequences.Length);
            foreach (var sequence in sequences)
            {
                _arrivals.Enqueue(sequence);
            }
        }

        Wake();
        streams = [.. sequences.Select(sequence => sequence.Output)];
        return SubmitOutcome.Accepted;
    }

    /// <summary>
    /// Computes the keys and values of a prompt's full blocks, so that requests that start with it find them; by the road of
    /// every other request, fairly among them. Completes when they are there; false when the request was not accepted.
    /// </summary>
    /// <param name="prompt">The common start, for example a rendered system prompt.</param>
    /// <param name="adapter">The generation to warm, or null for the base model; the lease is released in any case.</param>
    /// <param name="cacheSalt">The salt of the requests that shall find it.</param>
    /// <param name="cancellation">Gives up.</param>
    public async Task<bool> WarmAsync(ReadOnlyMemory<int> prompt, AdapterLease? adapter, string? cacheSalt, CancellationToken cancellation)
    {
        var outcome = Submit(new GenerationRequest { Prompt = prompt, MaximumTokens = 1, Adapter = adapter, CacheSalt = cacheSalt }, out var stream);
        if (outcome != SubmitOutcome.Accepted)
        {
            adapter?.Dispose();
            return false;
        }

        await using var cancelling = cancellation.Register(stream!.Cancel).ConfigureAwait(false);
        var finish = FinishReason.Failed;
        await foreach (var item in stream.ReadAllAsync(CancellationToken.None).ConfigureAwait(false))
        {
            finish = item.Finish ?? finish;
        }

        cancellation.ThrowIfCancellationRequested();
        return finish is FinishReason.Stop or FinishReason.Length;
    }

    /// <summary>Stops the compute thread; sequences under way fail.</summary>
    public void Dispose()
    {
        lock (_gate)
        {
            if (_stopping)
            {
                return;
            }

            _stopping = true;
        }

        Wake();
        _thread?.Join();
        CollectArrivals();
        EndAll(_running);
        EndAll(_waiting);
        _cache.Dispose();
        _batch.Dispose();
    }

    private int MaximumOpen => _options.MaximumRunning + _options.MaximumWaiting;

    private bool Fits(GenerationRequest request)
    {
        ArgumentOutOfRangeException.ThrowIfZero(request.Prompt.Length, nameof(request));
        ArgumentOutOfRangeException.ThrowIfLessThan(request.MaximumTokens, 1, nameof(request));
        ArgumentOutOfRangeException.ThrowIfNegative(request.Logprobs ?? 0, nameof(request));
        ArgumentOutOfRangeException.ThrowIfGreaterThan(request.Logprobs ?? 0, _model.Config.VocabularySize, nameof(request));
        if (request.Prompt.Span.ContainsAnyExceptInRange(0, _model.Config.VocabularySize - 1)
            || request.EndTokens.Any(token => (uint)token >= (uint)_model.Config.VocabularySize))
        {
            // Refused here, because the network would fail the whole batch for it.
            throw new ArgumentException($"a token is outside the vocabulary of {_model.Config.VocabularySize}; use the tokenizer of this model.", nameof(request));
        }

        request.Sampling.Require(_model.Config.VocabularySize);
        return (long)request.Prompt.Length + (request.Embeds ? 0 : request.MaximumTokens) <= MaximumSequenceLength;
    }

    private void Run()
    {
        while (true)
        {
            if (!Step())
            {
                lock (_gate)
                {
                    while (!_woken && !_stopping)
                    {
                        Monitor.Wait(_gate);
                    }

                    _woken = false;
                }
            }

            lock (_gate)
            {
                if (_stopping)
                {
                    return;
                }
            }
        }
    }

    private void Wake()
    {
        lock (_gate)
        {
            _woken = true;
            Monitor.Pulse(_gate);
        }
    }

    private void CollectArrivals()
    {
        lock (_gate)
        {
            while (_arrivals.TryDequeue(out var sequence))
            {
                sequence.Share = _shares.Join(sequence.Caller);
                _waiting.Add(sequence);
                if (sequence.Finish is { } reason)
                {
                    // The grammar allows a single reply: nothing is left to compute.
                    sequence.Emit(Measurements.InterTokenLatency);
                    End(_waiting, sequence, reason);
                }
            }
        }
    }

    private void EndAll(List<Sequence> sequences)
    {
        while (sequences.Count > 0)
        {
            End(sequences, sequences[0], FinishReason.Failed, StoppedError);
        }
    }

    private void PublishCounters()
    {
        Volatile.Write(ref _runningCount, _running.Count);
        Volatile.Write(ref _freeBlocks, _pool.Free);
    }
}
