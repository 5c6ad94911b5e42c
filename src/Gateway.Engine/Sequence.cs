using System.Diagnostics;
using Gateway.Engine.Adapters;
using Gateway.Engine.Caching;
using Gateway.Engine.Grammars;
using Gateway.Engine.Measurement;
using Gateway.Engine.Sampling;
using Gateway.Engine.Scheduling;
using Gateway.Engine.Speculation;
using Gateway.Model.Network;
using Gateway.Model.Numerics;

namespace Gateway.Engine;

/// <summary>
/// One request inside the engine. All its memory is reserved at submission, and the keys of its prompt's blocks are computed
/// there; afterwards only the compute thread touches it, and during <see cref="Draw"/> one thread of the team.
/// </summary>
internal sealed class Sequence
{
    private readonly int[] _tokens;
    private readonly int[] _blocks;
    private readonly BlockKey[] _keys;
    private readonly BlockKey _rootKey;
    private readonly SamplingSettings _sampling;
    private readonly int[] _endTokens;
    private readonly int _minimumTokens;
    private readonly float[]? _pool;
    private readonly int _promptLength;
    private readonly GrammarMatcher? _grammar;
    private readonly DraftController _drafts = new();
    private int _length;
    private int _cached;
    private int _blockCount;
    private int _keyCount;
    private int _published;
    private int _proposed;
    private int _accepted;
    private int _replyEnd;
    private bool _isReleased;
    private int _counted;
    private FinishReason? _finish;

    // The first token whose log-probability is wanted and not yet known; it may lie behind the last token.
    private int _unscored = int.MaxValue;

    /// <summary>Takes the request over.</summary>
    /// <param name="request">What to generate.</param>
    /// <param name="hiddenSize">Width of an embedding.</param>
    /// <param name="baseModel">Fingerprint and weight format of the model; null when nothing is shared.</param>
    /// <param name="wakeEngine">Called when the reader gives up.</param>
    /// <param name="leader">The sequence that computes the same prompt first, or null.</param>
    public Sequence(GenerationRequest request, int hiddenSize, string? baseModel, Action wakeEngine, Sequence? leader)
    {
        _promptLength = request.Prompt.Length;
        _length = _promptLength;
        _tokens = new int[_promptLength + request.MaximumTokens];
        request.Prompt.CopyTo(_tokens);
        _blocks = new int[Scheduler.BlocksFor(_tokens.Length)];
        _sampling = request.Sampling;
        _endTokens = [.. request.EndTokens];
        _minimumTokens = request.MinimumTokens;
        _grammar = request.Grammar;
        _replyEnd = _tokens.Length;
        _pool = request.Embeds ? new float[hiddenSize] : null;
        Adapter = request.Adapter;
        Leader = baseModel is null || request.ScoresPrompt || request.Embeds ? null : leader;
        TokenScores? scores = null;
        if (request.Logprobs is { } largest)
        {
            _unscored = request.ScoresPrompt ? 1 : _promptLength;
            scores = new TokenScores(request.ScoresPrompt ? 0 : _promptLength, request.ScoresPrompt ? _tokens.Length : request.MaximumTokens, largest);
        }

        Output = new GenerationStream(request.MaximumTokens, wakeEngine, scores, _pool);
        Caller = request.FairnessKey ?? request.Adapter?.Generation ?? "";
        _keys = baseModel is null ? [] : new BlockKey[_tokens.Length / KvCache.BlockTokens];
        if (baseModel is not null)
        {
            _rootKey = BlockKey.Root(baseModel, request.Adapter?.Generation, request.CacheSalt);
            while (_keyCount < _promptLength / KvCache.BlockTokens)
            {
                AddKey();
            }
        }

        AppendForced(computed: 0);
    }

    /// <summary>The pinned adapter; null for the base model.</summary>
    public AdapterLease? Adapter { get; }

    /// <summary>Where the reply goes.</summary>
    public GenerationStream Output { get; }

    /// <summary>The sequence that computes the same prompt first, or null.</summary>
    public Sequence? Leader { get; }

    /// <summary>True while its leader has yet to publish the prompt.</summary>
    public bool IsHeld => Leader is { _isReleased: false } leader && leader._published < leader._promptLength / KvCache.BlockTokens;

    /// <summary>Whether log-probabilities were asked for.</summary>
    public bool Scores => Output.Scores is not null;

    /// <summary>Who is charged for it.</summary>
    public string Caller { get; }

    /// <summary>The counter of its caller; set on arrival.</summary>
    public FairShare Share { get; set; } = null!;

    /// <summary>Tokens that the reply may have.</summary>
    public int MaximumTokens => _tokens.Length - _promptLength;

    /// <summary>When it was admitted last; 0 before.</summary>
    public long AdmittedAt { get; private set; }

    /// <summary>When its first token was handed out; 0 before.</summary>
    public long FirstTokenAt { get; private set; }

    /// <summary>When tokens were handed out last; 0 before.</summary>
    public long LastTokenAt { get; private set; }

    /// <summary>How often it gave up its blocks for others.</summary>
    public int Preemptions { get; private set; }

    /// <summary>True once it ran.</summary>
    public bool Started { get; private set; }

    /// <summary>What the scheduler needs to know.</summary>
    public SequenceLoad Load(BlockPool pool) => new(_cached, _length - _cached, _blockCount, pool.HeldAlone(_blocks.AsSpan(0, _blockCount)), Share.Served);

    /// <summary>Tokens to compute before the next can be drawn.</summary>
    public int Pending => _length - _cached;

    /// <summary>Tokens of the reply so far, an end token included.</summary>
    public int Sampled => _length - _promptLength;

    /// <summary>Tokens of the prompt.</summary>
    public int PromptLength => _promptLength;

    /// <summary>Tokens already handed out.</summary>
    public int Emitted { get; private set; }

    /// <summary>The blocks it holds.</summary>
    public ReadOnlyMemory<int> Blocks => _blocks.AsMemory(0, _blockCount);

    /// <summary>Why the reply ended; null while it goes on, or while log-probabilities of its last tokens are still to come.</summary>
    public FinishReason? Finish => _finish == FinishReason.Failed || _unscored >= Math.Min(_length, _replyEnd) ? _finish : null;

    /// <summary>Why it failed, with what to do next.</summary>
    public string? Error { get; private set; }

    /// <summary>The end token that ended it.</summary>
    public int? EndToken { get; private set; }

    /// <summary>Proposed tokens in the last slice.</summary>
    public int Proposed => _proposed;

    /// <summary>Holds the published blocks with which its tokens start, but never the last token's: its logits are needed.</summary>
    /// <returns>Tokens that need not be computed.</returns>
    public int SharePrefix(BlockPool pool)
    {
        // Rows whose logits or hidden states are needed must be computed.
        var most = _pool is not null ? 0 : Math.Min(_keyCount, (Math.Min(_length, _unscored) - 1) / KvCache.BlockTokens);
        while (_blockCount < most && pool.TryShare(_keys[_blockCount], out var block))
        {
            _blocks[_blockCount++] = block;
        }

        _published = _blockCount;
        _cached = _blockCount * KvCache.BlockTokens;
        return _cached;
    }

    /// <summary>Notes that it was admitted; true the first time.</summary>
    public bool Start()
    {
        var first = !Started;
        Started = true;
        AdmittedAt = Stopwatch.GetTimestamp();
        return first;
    }

    /// <summary>Takes the blocks that the next <paramref name="tokens"/> positions need; the scheduler has made sure that they are free.</summary>
    public void Reserve(int tokens, BlockPool pool)
    {
        var needed = Scheduler.BlocksFor(_cached + tokens) - _blockCount;
        if (needed > 0)
        {
            if (!pool.TryTake(_blocks.AsSpan(_blockCount, needed)))
            {
                throw new InvalidOperationException($"the plan needs {needed} blocks but only {pool.Free} are free.");
            }

            _blockCount += needed;
        }
    }

    /// <summary>Gives way to others: all blocks go back.</summary>
    public void GiveWay(BlockPool pool)
    {
        GiveUpBlocks(pool);
        Preemptions++;
    }

    /// <summary>Gives all blocks back; what is not found again by its key must be computed again.</summary>
    public void GiveUpBlocks(BlockPool pool)
    {
        pool.Return(_blocks.AsSpan(0, _blockCount));
        _blockCount = 0;
        _cached = 0;
        _published = 0;
        if (_finish is null)
        {
            _pool?.AsSpan().Clear();
        }
    }

    /// <summary>Notes that it is over, so that nobody waits for it.</summary>
    public void Release() => _isReleased = true;

    /// <summary>Writes proposed tokens behind the known ones and returns their number; verifying them needs a single pending token.</summary>
    /// <param name="most">Rows that may be spent.</param>
    /// <param name="streams">Sequences that reply in this step.</param>
    /// <param name="cost">What rows cost; null proposes as many as allowed.</param>
    public int Propose(int most, int streams, StepCost? cost)
    {
        // The last token of a reply is never worth proposing: it is drawn from the row before.
        most = Math.Min(Math.Min(most, DraftController.Most), _tokens.Length - _length - 1);
        if (most <= 0 || _pool is not null || _length - _cached != 1)
        {
            return 0;
        }

        var wanted = cost is null ? most : _drafts.Length(streams, cost, most);
        _proposed = wanted == 0 ? 0 : PromptLookup.Propose(_tokens.AsSpan(0, _length), _tokens.AsSpan(_length, wanted));
        return _proposed;
    }

    /// <summary>
    /// Cuts a grant where known tokens want log-probabilities: a slice has no such rows, or nothing else and as many as there is
    /// room for. Returns the tokens and the rows of logits beyond one.
    /// </summary>
    public (int Tokens, int ExtraRows) Limit(int tokens, int rows)
    {
        if (_unscored >= _length)
        {
            return (tokens, 0);
        }

        var unread = _unscored - 1 - _cached;
        tokens = Math.Min(tokens, unread > 0 ? unread : rows);
        return (tokens, unread > 0 ? 0 : tokens - 1);
    }

    /// <summary>What to compute next: pending tokens, and the proposed ones behind the last.</summary>
    public SequenceSlice Slice(int tokens, int proposed)
    {
        _proposed = proposed;
        var scores = _unscored < _length && _cached == _unscored - 1;
        var logits = proposed > 0 || scores ? LogitRows.All
            : _cached + tokens == _length && _pool is null ? LogitRows.Last
            : LogitRows.None;
        return new SequenceSlice(_tokens.AsMemory(_cached, tokens + proposed), _cached, Blocks, Adapter?.Weights, logits) { Pool = _pool };
    }

    /// <summary>Notes that tokens were processed whose logits were not asked for; an embedding ends with the last of them.</summary>
    public void Advance(int count)
    {
        _cached += count;
        if (_pool is not null && _cached == _length)
        {
            foreach (ref var value in _pool.AsSpan())
            {
                value /= _length;
            }

            _finish = FinishReason.Stop;
        }
    }

    /// <summary>
    /// Draws tokens from the rows of its slice: the next one, and then another for as long as the last token is the one whose
    /// row was computed. Each position draws with its own counter, so proposals change nothing but the number of steps.
    /// Positions behind the first disagreement are computed again and overwritten. What a grammar forces is not drawn.
    /// </summary>
    /// <param name="sampler">Scratch memory of this thread.</param>
    /// <param name="logits">All rows of the step.</param>
    /// <param name="firstRow">The first row of this sequence.</param>
    /// <param name="rows">Their number: those of the last positions of the slice.</param>
    public void Draw(Sampler sampler, Matrix logits, int firstRow, int rows)
    {
        try
        {
            DrawRows(sampler, logits, firstRow, rows);
        }
        catch (Exception failure) when (_grammar is not null)
        {
            // Grammars come from callers: a defect in one ends its reply and not the engine.
            _finish = FinishReason.Failed;
            Error = $"grammar_failed: {failure.Message} Report the schema and send the request without it.";
        }
    }

    private void DrawRows(Sampler sampler, Matrix logits, int firstRow, int rows)
    {
        if (_unscored < _length)
        {
            var end = _cached + rows;
            if (!TryScoreKnown(sampler, logits, firstRow, end) || end < _length || _finish is not null)
            {
                return;
            }

            (firstRow, rows) = (firstRow + rows - 1, 1);
        }

        var known = _length;
        var computed = known + rows - 1;
        _cached = known;
        do
        {
            var row = logits.Row(firstRow + _length - known);
            if (Output.Scores is { } scores && !sampler.TryObserve(row, scores.Room(_length)))
            {
                Fail(Sampler.NotFinite);
                return;
            }

            var allowed = _grammar is null ? [] : _grammar.AllowedTokens();
            var forbidden = Sampled < _minimumTokens ? _endTokens : [];
            var token = sampler.Sample(row, _sampling, _tokens.AsSpan(0, _length), _promptLength, allowed, forbidden);
            if (token < 0 || _grammar?.TryAccept(token) == false)
            {
                Fail(token);
                return;
            }

            if (Output.Scores is { } drawn)
            {
                drawn.SetChosen(_length, sampler.Logprob(token));
                _unscored = _length + 1;
            }

            Append(token, computed);
            AppendForced(computed);
        }
        while (_finish is null && _cached == _length);

        if (_proposed > 0)
        {
            _accepted = _cached - known;
            _drafts.Observe(_proposed, _accepted);
        }
    }

    /// <summary>Takes the log-probabilities of known tokens from the rows up to <paramref name="end"/>, which count as computed.</summary>
    private bool TryScoreKnown(Sampler sampler, Matrix logits, int firstRow, int end)
    {
        for (var row = firstRow; _unscored < Math.Min(end + 1, _length); row++)
        {
            if (!sampler.TryObserve(logits.Row(row), Output.Scores!.Room(_unscored)))
            {
                Fail(Sampler.NotFinite);
                return false;
            }

            Output.Scores.SetChosen(_unscored, sampler.Logprob(_tokens[_unscored]));
            _unscored++;
        }

        _cached = end;
        return true;
    }

    /// <summary>How many proposed tokens the last draw found right; asking again gives 0.</summary>
    public int TakeAccepted()
    {
        var accepted = _accepted;
        _accepted = 0;
        return accepted;
    }

    /// <summary>Makes the blocks it has filled findable; call it only after the step that wrote them has succeeded.</summary>
    public void Publish(BlockPool pool)
    {
        for (var full = Math.Min(_cached / KvCache.BlockTokens, _keys.Length); _published < full; _published++)
        {
            if (_published == _keyCount)
            {
                AddKey();
            }

            pool.Publish(_blocks[_published], _keys[_published]);
        }
    }

    /// <summary>Tokens of the reply since the last asking.</summary>
    public int TakeAdded()
    {
        var added = Sampled - _counted;
        _counted = Sampled;
        return added;
    }

    /// <summary>Hands out what is new, without an end token and without those whose log-probabilities are still to come.</summary>
    /// <param name="intervals">Gets the time since it last did so.</param>
    public void Emit(Distribution intervals)
    {
        var end = Math.Min(Math.Min(_length, _replyEnd), _unscored);
        if (_promptLength + Emitted < end)
        {
            var now = Stopwatch.GetTimestamp();
            if (FirstTokenAt == 0)
            {
                FirstTokenAt = now;
            }
            else
            {
                intervals.Observe(EngineMeasurements.Elapsed(LastTokenAt, now));
            }

            LastTokenAt = now;
        }

        for (; _promptLength + Emitted < end; Emitted++)
        {
            Output.Write(_tokens[_promptLength + Emitted]);
        }
    }

    /// <summary>Adds a token; it counts as computed when it is the next one of those that were.</summary>
    private void Append(int token, int computed)
    {
        if (_cached == _length && _length < computed && _tokens[_length] == token)
        {
            _cached++;
        }

        _tokens[_length++] = token;
        if (Array.IndexOf(_endTokens, token) >= 0)
        {
            _replyEnd = _length - 1;
            EndToken = token;
            _finish = FinishReason.Stop;
        }
        else if (_grammar is { IsComplete: true })
        {
            _finish = FinishReason.Stop;
        }
        else if (_length == _tokens.Length)
        {
            _finish = FinishReason.Length;
        }
    }

    /// <summary>Adds what the grammar says must come next, without a draw.</summary>
    private void AppendForced(int computed)
    {
        Span<int> forced = stackalloc int[Scheduler.ReplyRows];
        var count = int.MaxValue;
        while (_grammar is not null && _finish is null && count > 0)
        {
            count = _grammar.ForcedTokens(forced);
            for (var i = 0; i < count && _finish is null; i++)
            {
                if (!_grammar.TryAccept(forced[i]))
                {
                    throw new InvalidOperationException($"the grammar forces token {forced[i]} but does not take it.");
                }

                Append(forced[i], computed);
            }
        }
    }

    private void Fail(int found)
    {
        _finish = FinishReason.Failed;
        Error = found == Sampler.NotFinite
            ? "non_finite_logits: the model or its adapter produced NaN or infinity; unload the adapter or check its weights."
            : "grammar_dead_end: the grammar allows no token of this vocabulary here; simplify the schema.";
    }

    private void AddKey()
    {
        var parent = _keyCount == 0 ? _rootKey : _keys[_keyCount - 1];
        _keys[_keyCount] = parent.Next(_tokens.AsSpan(_keyCount * KvCache.BlockTokens, KvCache.BlockTokens));
        _keyCount++;
    }
}
