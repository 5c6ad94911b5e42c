using System.Runtime.CompilerServices;
using System.Text;
using Gateway.Api.Wire;
using Gateway.Engine;
using Gateway.Model.Text;
using Gateway.Worker.ToolCalls;

namespace Gateway.Worker;

/// <summary>How a choice ended inside the engine.</summary>
/// <param name="Finish">Why.</param>
/// <param name="SampledTokens">Tokens that made the reply, an end token included.</param>
/// <param name="CachedPromptTokens">Prompt tokens that were found in the prefix cache.</param>
internal sealed record ReplyEnd(FinishReason Finish, int SampledTokens, int CachedPromptTokens)
{
    /// <summary>Why the engine failed.</summary>
    public string? Error { get; init; }

    /// <summary>The stop string that ended it.</summary>
    public string? Stop { get; init; }

    /// <summary>The end token that ended it.</summary>
    public int? EndToken { get; init; }

    /// <summary>Whether it holds calls.</summary>
    public bool HasCalls { get; init; }

    /// <summary>Mean log-probability of its tokens; 0 when none was asked for.</summary>
    public double MeanLogprob { get; init; }
}

/// <summary>A piece of a reply that is ready to be sent; the last one has an end.</summary>
internal readonly record struct ReplyPiece(ReplyDelta Delta, ReplyEnd? End);

/// <summary>
/// Turns the tokens of a stream into text and calls: characters come whole, stop strings cut. Tokens are looked at one by one, so
/// text and usage do not depend on how many were ready at a time. Stop strings are looked for in the text for the user only.
/// </summary>
internal sealed class ReplyReader
{
    private readonly GenerationStream _stream;
    private readonly ReplyPlan _plan;
    private readonly PlannedPrompt _prompt;
    private readonly StreamingDecoder _decoder;
    private readonly StopScanner _scanner;
    private readonly ToolCallParser? _parser;
    private readonly HashSet<int> _markers = [];
    private readonly TokenLog? _log;
    private readonly List<ReplyPart> _parts = [];
    private readonly StringBuilder _text = new();
    private readonly List<ToolCallDelta> _calls = [];
    private bool _echoed;

    /// <summary>Reads one choice.</summary>
    public ReplyReader(GenerationStream stream, ReplyPlan plan, PlannedPrompt prompt, Tokenizer tokenizer)
    {
        (_stream, _plan, _prompt) = (stream, plan, prompt);
        _scanner = new StopScanner(plan.Request.Stop, plan.Request.IncludesStop);
        if (plan.Tools is { } tools)
        {
            _markers = [.. tools.Markers.Select(tokenizer.TokenToId).OfType<int>()];
            _parser = tools.CreateParser(tools.Opening.Length > 0 && tokenizer.TokenToId(tools.Opening) is not null, plan.CallIsRequired, plan.ParallelCalls, plan.Functions);
        }

        _decoder = new StreamingDecoder(tokenizer, plan.Request.SkipsSpecialTokens, _markers);
        _log = stream.Scores is { } scores ? new TokenLog(scores, tokenizer, plan.Request.SkipsSpecialTokens, prompt, plan.Echoes && plan.Request.Logprobs is not null) : null;
    }

    /// <summary>The pieces of the reply. Cancels the sequence when the reader stops early.</summary>
    public async IAsyncEnumerable<ReplyPiece> ReadAsync([EnumeratorCancellation] CancellationToken cancellation)
    {
        try
        {
            while (await _stream.WaitToReadAsync(cancellation))
            {
                ReplyEnd? end = null;
                while (end is null && _stream.TryRead(out var item))
                {
                    Echo();
                    end = item.Finish is null ? Take(item) : Finish(item);
                }

                if (end is not null)
                {
                    _stream.Complete();
                    yield return new ReplyPiece(TakeDelta(isLast: true), end with { HasCalls = _parser?.Calls > 0, MeanLogprob = _log?.Mean ?? 0 });
                    yield break;
                }

                if (_text.Length > 0 || _calls.Count > 0)
                {
                    yield return new ReplyPiece(TakeDelta(isLast: false), null);
                }
            }
        }
        finally
        {
            _stream.Cancel();
        }
    }

    private void Echo()
    {
        if (!_echoed && _plan.Echoes)
        {
            _text.Append(_prompt.Text);
        }

        _echoed = true;
    }

    /// <summary>Takes a token; gives an end when no more are wanted.</summary>
    private ReplyEnd? Take(GenerationEvent item)
    {
        if (_plan.Request.MaxTokens == 0)
        {
            // The engine draws one token at least; nobody asked for it.
            return new ReplyEnd(FinishReason.Length, 0, _stream.CachedPromptTokens);
        }

        var text = _decoder.Push(item.Token);
        _log?.Add(item.Token, text.Length);
        Add(text, _markers.Contains(item.Token), isScanned: item.SampledTokens > _plan.Request.MinTokens);
        return _scanner.Stopped || _parser?.IsOver == true
            ? new ReplyEnd(FinishReason.Stop, item.SampledTokens, _stream.CachedPromptTokens) { Stop = _scanner.Stop }
            : null;
    }

    private ReplyEnd Finish(GenerationEvent item)
    {
        var rest = _decoder.Flush();
        if (item.EndToken is { } token && _plan.Request.IncludesStop && _plan.Request.StopTokenIds.Contains(token))
        {
            rest += _decoder.Push(token) + _decoder.Flush();
        }

        Add(rest, isMarker: false, isScanned: item.SampledTokens > _plan.Request.MinTokens);
        if (_parser is not null)
        {
            _parts.Clear();
            _parser.Flush(_parts);
            TakeParts(isScanned: true);
        }

        if (!_scanner.Stopped)
        {
            _text.Append(_scanner.Flush());
        }

        return new ReplyEnd(_scanner.Stopped ? FinishReason.Stop : item.Finish!.Value, item.SampledTokens, item.CachedPromptTokens)
        {
            Error = item.Error,
            Stop = _scanner.Stop,
            EndToken = item.EndToken,
        };
    }

    private void Add(string text, bool isMarker, bool isScanned)
    {
        if (_parser is null)
        {
            AddText(text, isScanned);
            return;
        }

        _parts.Clear();
        _parser.Append(text, isMarker, _parts);
        TakeParts(isScanned);
    }

    private void TakeParts(bool isScanned)
    {
        foreach (var part in _parts)
        {
            switch (part.Kind)
            {
                case ReplyPartKind.Content:
                    AddText(part.Text, isScanned);
                    break;
                case ReplyPartKind.Call:
                    _calls.Add(new ToolCallDelta(part.Call, _plan.Tools!.NewId(), part.Text, ""));
                    break;
                default:
                    AddArguments(part);
                    break;
            }
        }
    }

    private void AddArguments(ReplyPart part)
    {
        if (_calls is [.., { Id: null } last] && last.Index == part.Call)
        {
            _calls[^1] = last with { Arguments = last.Arguments + part.Text };
        }
        else
        {
            _calls.Add(new ToolCallDelta(part.Call, null, null, part.Text));
        }
    }

    private void AddText(string text, bool isScanned)
    {
        if (!_scanner.Stopped)
        {
            _text.Append(isScanned ? _scanner.Append(text) : text);
        }
    }

    private ReplyDelta TakeDelta(bool isLast)
    {
        var text = _text.ToString();
        IReadOnlyList<ScoredToken> tokens = _log is null || _plan.Request.Logprobs is null ? []
            : _parser is null ? _log.Release(text.Length, isLast, isCut: _scanner.Stopped)
            : _log.ReleaseAll();
        var delta = new ReplyDelta(text, _calls.Count == 0 ? [] : [.. _calls], tokens);
        _text.Clear();
        _calls.Clear();
        return delta;
    }
}
