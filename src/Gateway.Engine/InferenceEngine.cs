using Gateway.Engine.Adapters;
using Gateway.Engine.Sampling;
using Gateway.Engine.Scheduling;
using Gateway.Model.Network;

namespace Gateway.Engine;

/// <summary>
/// Runs a model for many callers: one dedicated compute thread, continuous batching, a different adapter per sequence, the
/// key/value cache in blocks. Every sequence gets the same tokens as it would alone. <see cref="Step"/> is the main road.
/// </summary>
public sealed class InferenceEngine : IDisposable
{
    private const string StoppedError = "engine_stopped: the engine was stopped; send the request again.";

    private readonly Transformer _model;
    private readonly EngineOptions _options;
    private readonly KvCache _cache;
    private readonly Thread? _thread;

    // The border to other threads: everything below is guarded by the gate.
    private readonly object _gate = new();
    private readonly Queue<Sequence> _arrivals = new();
    private readonly Action _wakeEngine;
    private bool _woken;
    private bool _stopping;

    // The compute thread's state, oldest sequence first in both lists.
    private readonly List<Sequence> _running = [];
    private readonly List<Sequence> _waiting = [];
    private readonly BlockPool _pool;
    private readonly Batch _batch;
    private readonly SequenceLoad[] _runningLoads;
    private readonly SequenceLoad[] _waitingLoads;
    private readonly int[] _grants;

    // Counters: written by the compute thread, except for the number of open requests.
    private int _open;
    private int _runningCount;
    private int _freeBlocks;
    private long _steps;
    private long _sampledTokens;
    private long _preemptions;

    /// <summary>Starts an engine. Model and adapters stay the caller's and must outlive it.</summary>
    public InferenceEngine(Transformer model, AdapterSlots adapters, EngineOptions options)
        : this(model, adapters, options, startThread: true)
    {
    }

    /// <summary>Without a thread the caller drives <see cref="Step"/> itself.</summary>
    internal InferenceEngine(Transformer model, AdapterSlots adapters, EngineOptions options, bool startThread)
    {
        (_model, Adapters, _options) = (model, adapters, options.Checked());
        _cache = model.CreateCache(options.CacheBlocks);
        _pool = new BlockPool(options.CacheBlocks);
        _batch = new Batch(model, options.MaximumRunning, options.MaximumRunning);
        _runningLoads = new SequenceLoad[options.MaximumRunning];
        _waitingLoads = new SequenceLoad[options.MaximumRunning];
        _grants = new int[options.MaximumRunning];
        _wakeEngine = Wake;
        _freeBlocks = _pool.Free;
        if (startThread)
        {
            _thread = new Thread(Run) { Name = "inference", IsBackground = true };
            _thread.Start();
        }
    }

    /// <summary>The adapters this engine can apply.</summary>
    public AdapterSlots Adapters { get; }

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
        ArgumentOutOfRangeException.ThrowIfZero(request.Prompt.Length, nameof(request));
        ArgumentOutOfRangeException.ThrowIfLessThan(request.MaximumTokens, 1, nameof(request));
        if (request.Prompt.Span.ContainsAnyExceptInRange(0, _model.Config.VocabularySize - 1))
        {
            // Refused here, because the network would fail the whole batch for it.
            throw new ArgumentException($"a token is outside the vocabulary of {_model.Config.VocabularySize}; use the tokenizer of this model.", nameof(request));
        }

        request.Sampling.Require(_model.Config.VocabularySize);
        stream = null;
        if ((long)request.Prompt.Length + request.MaximumTokens > MaximumSequenceLength)
        {
            return SubmitOutcome.PromptTooLong;
        }

        if (Volatile.Read(ref _open) >= _options.MaximumRunning + _options.MaximumWaiting)
        {
            return SubmitOutcome.QueueFull;
        }

        var output = new GenerationStream(request.MaximumTokens, _wakeEngine);
        var sequence = new Sequence(request, output);
        lock (_gate)
        {
            if (_stopping)
            {
                return SubmitOutcome.Stopped;
            }

            Interlocked.Increment(ref _open);
            _arrivals.Enqueue(sequence);
        }

        Wake();
        stream = output;
        return SubmitOutcome.Accepted;
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

    /// <summary>
    /// One step of continuous batching; returns false when there was nothing to do:
    /// 1. collect arrivals and cancellations;
    /// 2. schedule: who computes how many tokens, who is admitted, who gives way;
    /// 3. build the batch, reserving cache blocks;
    /// 4. run the network over all rows;
    /// 5. sample one token for every sequence without pending ones, emit it, end what is finished.
    /// </summary>
    internal bool Step()
    {
        CollectArrivals();
        DropCancelled(_running);
        DropCancelled(_waiting);
        if (_running.Count + _waiting.Count == 0)
        {
            return false;
        }

        Schedule();
        BuildBatch();
        if (TryForward())
        {
            SampleAndEmit();
        }

        _batch.Clear();
        PublishCounters();
        return true;
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
                _waiting.Add(sequence);
            }
        }
    }

    private void DropCancelled(List<Sequence> sequences)
    {
        for (var i = sequences.Count - 1; i >= 0; i--)
        {
            if (sequences[i].Output.CancelRequested)
            {
                End(sequences, sequences[i], FinishReason.Cancelled);
            }
        }
    }

    private void Schedule()
    {
        for (var i = 0; i < _running.Count; i++)
        {
            _runningLoads[i] = _running[i].Load;
        }

        var candidates = Math.Min(_waiting.Count, _options.MaximumRunning - _running.Count);
        for (var i = 0; i < candidates; i++)
        {
            _waitingLoads[i] = _waiting[i].Load;
        }

        var admitted = Scheduler.Plan(
            _runningLoads.AsSpan(0, _running.Count), _waitingLoads.AsSpan(0, candidates), _pool.Free, _options.TokenBudget, _options.MaximumRunning, _grants);

        // Victims are the youngest, hence last; put back one by one they wait in order of arrival, before everybody else.
        while (_running.Count > 0 && _grants[_running.Count - 1] == Scheduler.Preempt)
        {
            var victim = _running[^1];
            _running.RemoveAt(_running.Count - 1);
            victim.GiveUpBlocks(_pool);
            _waiting.Insert(0, victim);
            _preemptions++;
        }

        for (var i = 0; i < admitted; i++)
        {
            _waiting[i].Reserve(_waiting[i].Load.Pending, _pool);
            _running.Add(_waiting[i]);
        }

        _waiting.RemoveRange(0, admitted);
    }

    private void BuildBatch()
    {
        for (var i = 0; i < _running.Count; i++)
        {
            if (_grants[i] > 0)
            {
                _running[i].Reserve(_running[i].Load.Cached + _grants[i], _pool);
                _batch.Add(_running[i], _grants[i]);
            }
        }
    }

    /// <summary>A failure of the whole pass ends every sequence in it; the engine lives on for those to come.</summary>
    private bool TryForward()
    {
        try
        {
            _model.Forward(_batch.Slices, _cache, _batch.Logits);
            _steps++;
            return true;
        }
        catch (Exception failure) when (failure is ArgumentException or InvalidOperationException or OutOfMemoryException)
        {
            foreach (var sequence in _batch.Sequences)
            {
                End(_running, sequence, FinishReason.Failed, $"forward_failed: {failure.Message}");
            }

            return false;
        }
    }

    private void SampleAndEmit()
    {
        _batch.DrawTokens();
        for (var i = 0; i < _batch.Count; i++)
        {
            ref readonly var slice = ref _batch.Slices[i];
            var sequence = _batch.Sequences[i];
            sequence.Advance(slice.Tokens.Length);
            if (slice.Logits == LogitRows.Last)
            {
                Emit(sequence);
            }
        }
    }

    private void Emit(Sequence sequence)
    {
        var token = sequence.TakeDrawn();
        if (token == Sampler.NotFinite)
        {
            End(_running, sequence, FinishReason.Failed, "non_finite_logits: the model or its adapter produced NaN or infinity; unload the adapter or check its weights.");
            return;
        }

        _sampledTokens++;
        var finish = sequence.EndsWith(token);
        if (finish != FinishReason.Stop)
        {
            sequence.Output.Write(token);
        }

        if (finish is { } reason)
        {
            End(_running, sequence, reason);
        }
    }

    /// <summary>Frees everything the sequence held before its last event is seen, so that whoever saw it finds the memory free.</summary>
    private void End(List<Sequence> sequences, Sequence sequence, FinishReason reason, string? error = null)
    {
        sequences.Remove(sequence);
        sequence.GiveUpBlocks(_pool);
        sequence.Adapter?.Dispose();
        Interlocked.Decrement(ref _open);
        PublishCounters();
        sequence.Output.End(reason, sequence.Sampled, error);
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
