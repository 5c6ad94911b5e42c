using System.Collections.Concurrent;
using System.Text.Json;
using Gateway.Domain.Guards;
using Gateway.Domain.Interactions;
using Gateway.Telemetry;

namespace Gateway.Guards;

/// <summary>
/// The guards of one request: its messages first, then its reply, whole or piece by piece. Used by one thread at a time; the
/// flags may be read from any.
/// </summary>
public sealed class GuardSession
{
    private readonly GuardChain _chain;
    private readonly ConcurrentDictionary<string, Flag> _flags = new(StringComparer.Ordinal);
    private readonly Dictionary<int, GuardedText> _choices = [];

    internal GuardSession(GuardChain chain) => _chain = chain;

    /// <summary>True when replies are looked at, too.</summary>
    public bool LooksAtReplies => _chain.Output.Count + _chain.OutputClassifiers.Count > 0;

    /// <summary>A mark for each guard that found something.</summary>
    public IReadOnlyList<Flag> Flags() => [.. _flags.OrderBy(flag => flag.Key, StringComparer.Ordinal).Select(flag => flag.Value)];

    /// <summary>
    /// The messages as they may go on, and whether they may at all. A message that is blocked comes back with a placeholder
    /// for its text, because what may not go in is not recorded either.
    /// </summary>
    internal async Task<(IReadOnlyList<ChatMessage> Messages, bool Blocked)> CheckMessagesAsync(IReadOnlyList<ChatMessage> messages, CancellationToken cancellationToken)
    {
        if (_chain.Input.Count + _chain.InputClassifiers.Count == 0)
        {
            return (messages, false);
        }

        var guarded = new List<ChatMessage>(messages.Count);
        var blocked = false;
        foreach (var message in messages)
        {
            if (string.IsNullOrEmpty(message.Content))
            {
                guarded.Add(message);
                continue;
            }

            var window = new GuardWindow(_chain.Input, _chain.Window);
            var text = window.Push(message.Content, isLast: true);
            var stopped = window.Blocked ?? await ClassifyAsync(_chain.InputClassifiers, GuardStage.Input, text, cancellationToken);
            Note(window, stopped, GuardStage.Input);
            guarded.Add(text == message.Content && stopped is null ? message : message with { Content = stopped is null ? text : $"<BLOCKED by {stopped.Id}>" });
            blocked |= stopped is not null;
        }

        return (guarded, blocked);
    }

    /// <summary>What may leave of a completion, or of a chunk of a stream.</summary>
    internal async ValueTask<GuardedChoices> CheckAsync(JsonElement reply, CancellationToken cancellationToken)
    {
        var result = new GuardedChoices();
        if (!reply.TryGetProperty("choices", out var choices) || choices.ValueKind != JsonValueKind.Array || choices.GetArrayLength() == 0)
        {
            return result;
        }

        foreach (var choice in choices.EnumerateArray())
        {
            var index = GuardedChoices.IndexOf(choice);
            if (!_choices.TryGetValue(index, out var text))
            {
                _choices[index] = text = new GuardedText(new GuardWindow(_chain.Output, _chain.Window));
            }

            var finish = GuardedChoices.FinishOf(choice);
            var isLast = finish is not null || choice.TryGetProperty("message", out _);
            GuardedChoices.AddToolCalls(choice, text.ToolCalls);
            var released = await PushAsync(text, GuardedChoices.TextOf(choice), isLast, cancellationToken);
            var calls = isLast && !text.IsBlocked ? await CheckToolCallsAsync(text, cancellationToken) : null;
            var isHeldBack = released.Length == 0 && finish is null && !text.IsBlocked && GuardedChoices.IsOnlyContent(choice);
            result.Add(new(index, released, text.IsBlocked ? "content_filter" : finish, !isHeldBack && text.TakeNews(), calls));
        }

        result.EverythingBlocked = _choices.Values.All(text => text.IsBlocked);
        return result;
    }

    private async ValueTask<string> PushAsync(GuardedText text, string piece, bool isLast, CancellationToken cancellationToken)
    {
        if (text.IsBlocked)
        {
            return "";
        }

        var released = text.Window.Push(piece, isLast);
        var stopped = text.Window.Blocked;
        if (stopped is null && _chain.OutputClassifiers.Count > 0)
        {
            // A classifier sees the whole text so far, as often as a window's length has come.
            text.Waiting += released;
            released = "";
            if (text.Waiting.Length > 0 && (isLast || text.Waiting.Length >= _chain.Window))
            {
                stopped = await ClassifyAsync(_chain.OutputClassifiers, GuardStage.Output, text.Released + text.Waiting, cancellationToken);
                released = stopped is null ? text.Waiting : "";
                text.Released += released;
                text.Waiting = "";
            }
        }

        Note(text.Window, stopped, GuardStage.Output);
        text.IsBlocked = stopped is not null;
        return released;
    }

    /// <summary>Tool calls are looked at when they are whole, and leave together; null when one of them is blocked.</summary>
    private async ValueTask<IReadOnlyList<GuardedToolCall>?> CheckToolCallsAsync(GuardedText text, CancellationToken cancellationToken)
    {
        var guarded = new List<GuardedToolCall>(text.ToolCalls.Count);
        foreach (var call in text.ToolCalls)
        {
            var window = new GuardWindow(_chain.Output, _chain.Window);
            var arguments = window.Push(call.Arguments, isLast: true);
            var stopped = window.Blocked ?? await ClassifyAsync(_chain.OutputClassifiers, GuardStage.Output, arguments, cancellationToken);
            Note(window, stopped, GuardStage.Output);
            if (stopped is not null)
            {
                text.IsBlocked = true;
                return null;
            }

            guarded.Add(call with { Arguments = arguments });
        }

        return guarded;
    }

    private async Task<GuardRule?> ClassifyAsync(IReadOnlyList<GuardRule> rules, GuardStage stage, string text, CancellationToken cancellationToken)
    {
        foreach (var rule in rules)
        {
            switch (await _chain.Classifier.ClassifyAsync(rule, Name(stage), text, cancellationToken))
            {
                case GuardAction.Block:
                    return rule;
                case GuardAction.Flag:
                    Mark(rule, stage, "marked");
                    break;
            }
        }

        return null;
    }

    private void Note(GuardWindow window, GuardRule? stopped, GuardStage stage)
    {
        foreach (var rule in window.Found)
        {
            Mark(rule, stage, rule.Action == GuardAction.Redact ? "redacted" : "marked");
        }

        if (stopped is not null)
        {
            Mark(stopped, stage, "blocked");
        }
    }

    private void Mark(GuardRule rule, GuardStage stage, string action)
    {
        if (_flags.TryAdd($"{rule.Id}/{stage}/{action}", new(FlagKind.GuardHit, $"the guard '{rule.Id}' {action} the {(stage == GuardStage.Input ? "messages" : "reply")}")))
        {
            Instruments.GuardVerdict(rule.Id, Name(stage), action);
        }
    }

    private static string Name(GuardStage stage) => stage == GuardStage.Input ? "input" : "output";

    /// <summary>One choice of a reply on its way.</summary>
    private sealed class GuardedText(GuardWindow window)
    {
        private bool _told;

        public GuardWindow Window => window;

        public List<GuardedToolCall> ToolCalls { get; } = [];

        public string Waiting { get; set; } = "";

        public string Released { get; set; } = "";

        public bool IsBlocked { get; set; }

        /// <summary>True unless a client knows already that the choice was blocked.</summary>
        public bool TakeNews()
        {
            var news = !_told;
            _told = IsBlocked;
            return news;
        }
    }
}
