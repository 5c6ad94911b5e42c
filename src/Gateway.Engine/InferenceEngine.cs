using System.Diagnostics;
using Gateway.Engine.Adapters;
using Gateway.Engine.Caching;
using Gateway.Engine.Scheduling;
using Gateway.Engine.Speculation;
using Gateway.Model.Network;
using Gateway.Model.Weights;

namespace Gateway.Engine;

/// <summary>
/// Runs a model for many callers: one dedicated compute thread, continuous batching, a different adapter per sequence, the
/// key/value cache in blocks that equal prompts share. Every sequence gets the same tokens as it would alone.
/// <see cref="Step"/> is the main road; the border to other threads is in the other file of this class.
/// </summary>
public sealed partial class InferenceEngine : IDisposable
{
    private const int MaximumProposedRows = 16;

    // Logits beyond one row per sequence: of proposed tokens, or of known ones whose log-probabilities are wanted.
    private const int SpareLogitRows = 64;

    private readonly Transformer _model;
    private readonly EngineOptions _options;
    private readonly KvCache _cache;
    private readonly string? _baseModel;
    private readonly Thread? _thread;

    // The compute thread's state: running sequences in the order of admission, waiting ones in the order of arrival.
    private readonly List<Sequence> _running = [];
    private readonly List<Sequence> _waiting = [];
    private readonly BlockPool _pool;
    private readonly Batch _batch;
    private readonly FairShares _shares = new();
    private readonly StepCost _cost;
    private readonly SequenceLoad[] _loads;
    private readonly QueueEntry[] _queue;
    private readonly int[] _grants;

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
        _baseModel = options.SharePrefixes ? $"{model.Fingerprint} {model.WeightFormat.Name()}" : null;
        _pool = new BlockPool(options.CacheBlocks);
        _batch = new Batch(model, options.MaximumRunning, options.MaximumRunning + SpareLogitRows);
        _cost = new StepCost(options.MaximumRunning + MaximumProposedRows);
        _loads = new SequenceLoad[options.MaximumRunning];
        _queue = new QueueEntry[options.MaximumRunning + options.MaximumWaiting];
        _grants = new int[options.MaximumRunning];
        _wakeEngine = Wake;
        _freeBlocks = _pool.Free;
        if (startThread)
        {
            _thread = new Thread(Run) { Name = "inference", IsBackground = true };
            _thread.Start();
        }
    }

    /// <summary>
    /// One step of continuous batching; returns false when there was nothing to do:
    /// 1. collect arrivals and cancellations;
    /// 2. schedule: who computes how many tokens, who gives way, who is admitted;
    /// 3. build the batch, proposing tokens where that pays;
    /// 4. run the network over all rows;
    /// 5. draw tokens, share filled blocks, emit, end what is finished.
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
        var started = Stopwatch.GetTimestamp();
        if (TryForward())
        {
            _batch.DrawTokens();
            _cost.Observe(_batch.ReplyRows, _batch.PromptRows, Stopwatch.GetElapsedTime(started).TotalSeconds);
            TakeResults();
        }

        _batch.Clear();
        PublishCounters();
        return true;
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

    /// <summary>Replies and their blocks first; then newcomers, unless somebody had to give way; then prompts with what the step can bear.</summary>
    private void Schedule()
    {
        var budget = Scheduler.PlanReplies(Loads(), _pool.Free, _options.TokenBudget, _grants);
        var replyRows = _options.TokenBudget - budget;
        var preempted = PreemptVictims();
        for (var i = 0; i < _running.Count; i++)
        {
            _running[i].Reserve(_grants[i], _pool);
        }

        if (!preempted)
        {
            Admit();
        }

        Scheduler.PlanPrompts(Loads(), Math.Min(budget, _cost.PromptRows(replyRows, budget)), _grants);
    }

    private ReadOnlySpan<SequenceLoad> Loads()
    {
        for (var i = 0; i < _running.Count; i++)
        {
            _loads[i] = _running[i].Load(_pool);
        }

        return _loads.AsSpan(0, _running.Count);
    }

    /// <summary>Victims are the youngest, hence last; put back one by one they wait in order of arrival, before everybody else.</summary>
    private bool PreemptVictims()
    {
        var any = false;
        while (_running.Count > 0 && _grants[_running.Count - 1] == Scheduler.Preempt)
        {
            var victim = _running[^1];
            _running.RemoveAt(_running.Count - 1);
            victim.GiveWay(_pool);
            _waiting.Insert(0, victim);
            _preemptions++;
            any = true;
        }

        return any;
    }

    private void Admit()
    {
        while (_waiting.Count > 0 && _running.Count < _options.MaximumRunning)
        {
            for (var i = 0; i < _waiting.Count; i++)
            {
                _queue[i] = new QueueEntry(_waiting[i].Share.Served, _waiting[i].Started, _waiting[i].IsHeld);
            }

            var next = Scheduler.NextAdmission(_queue.AsSpan(0, _waiting.Count));
            if (next < 0)
            {
                return;
            }

            var sequence = _waiting[next];
            var shared = sequence.SharePrefix(_pool);
            if (!Scheduler.Fits(sequence.Load(_pool), _pool.Free))
            {
                sequence.GiveUpBlocks(_pool);
                return;
            }

            if (sequence.Start())
            {
                sequence.Output.CachedPromptTokens = shared;
                _promptTokens += sequence.PromptLength;
                _cachedPromptTokens += shared;
            }

            sequence.Reserve(sequence.Pending, _pool);
            _waiting.Remove(sequence);
            _grants[_running.Count] = 0;
            _running.Add(sequence);
        }
    }

    /// <summary>Prompts come first: their attention is the largest piece of work, and small pieces behind it even out the threads.</summary>
    private void BuildBatch()
    {
        var (replies, budget, spare) = (0, _options.TokenBudget, SpareLogitRows);
        for (var i = 0; i < _running.Count; i++)
        {
            budget -= _grants[i];
            if (_grants[i] > 0 && _loads[i].ReadsPrompt)
            {
                spare -= AddKnown(i, spare, readsPrompt: true);
            }
            else if (_grants[i] > 0)
            {
                replies++;
            }
        }

        // Proposals get what nobody else may need: rows of a step without prompts, and blocks beyond one for everybody.
        var rows = _batch.Count > 0 || _options.Speculation == Speculate.Never ? 0 : Math.Min(MaximumProposedRows, budget);
        for (var i = 0; i < _running.Count; i++)
        {
            if (_grants[i] == 0 || _loads[i].ReadsPrompt)
            {
                continue;
            }

            if (_running[i].Scores)
            {
                // Without proposals: tokens that a grammar forced behind them would be passed over unscored.
                spare -= AddKnown(i, spare - rows, readsPrompt: false);
            }
            else
            {
                var proposed = _pool.Free <= _running.Count ? 0 : _running[i].Propose(rows, replies, _options.Speculation == Speculate.Always ? null : _cost);
                rows -= proposed;
                _running[i].Reserve(_grants[i] + proposed, _pool);
                _batch.Add(_running[i], _grants[i], proposed, readsPrompt: false);
            }
        }
    }

    /// <summary>Adds a sequence without proposals; returns how many rows of logits it takes beyond one.</summary>
    private int AddKnown(int index, int spare, bool readsPrompt)
    {
        var (tokens, extra) = _running[index].Limit(_grants[index], 1 + spare);
        _running[index].Reserve(tokens, _pool);
        _batch.Add(_running[index], tokens, proposed: 0, readsPrompt);
        return extra;
    }

    /// <summary>A failure of the whole pass ends every sequence in it; the engine lives on for those to come.</summary>
    private bool TryForward()
    {
        try
        {
            _model.Forward(_batch.Slices, _cache, _batch.Logits);
            _steps++;
            Measurements.TokensPerStep.Observe(_batch.ReplyRows + _batch.PromptRows);
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

    private void TakeResults()
    {
        for (var i = 0; i < _batch.Count; i++)
        {
            ref readonly var slice = ref _batch.Slices[i];
            var sequence = _batch.Sequences[i];
            if (slice.Logits == LogitRows.None)
            {
                sequence.Advance(slice.Tokens.Length);
            }

            // Proposals that were wrong are not charged.
            var (added, accepted, proposed) = (sequence.TakeAdded(), sequence.TakeAccepted(), sequence.Proposed);
            sequence.Share.Served += added + slice.Tokens.Length - proposed + accepted;
            _sampledTokens += added;
            _proposedTokens += proposed;
            _acceptedTokens += accepted;
            sequence.Publish(_pool);
            sequence.Emit(Measurements.InterTokenLatency);
            if (sequence.Finish is { } reason)
            {
                End(_running, sequence, reason, sequence.Error);
            }
        }
    }

    /// <summary>Frees everything the sequence held before its last event is seen, so that whoever saw it finds the memory free.</summary>
    private void End(List<Sequence> sequences, Sequence sequence, FinishReason reason, string? error = null)
    {
        sequences.Remove(sequence);
        sequence.GiveUpBlocks(_pool);
        sequence.Adapter?.Dispose();
        FairShares.Leave(sequence.Share);
        sequence.Release();
        Interlocked.Decrement(ref _open);
        PublishCounters();
        Measurements.Note(sequence, reason);
        sequence.Output.End(reason, sequence.Sampled, error, sequence.EndToken);
    }
}
