using System.Globalization;
using Gateway.Domain.Contracts;

namespace Gateway.Domain.Interactions;

/// <summary>What a reply is judged by.</summary>
/// <param name="Reply">The reply's text.</param>
/// <param name="End">How the request ended.</param>
/// <param name="Status">HTTP status of the answer.</param>
/// <param name="Timings">Timings of the request.</param>
/// <param name="Messages">The caller's messages.</param>
/// <param name="HasToolCalls">True when the reply calls tools, so that it may have no text.</param>
public readonly record struct FlagEvidence(
    string? Reply, EndReason End, int Status, Timings Timings, IReadOnlyList<ChatMessage> Messages, bool HasToolCalls = false);

/// <summary>Finds the automatic failure marks of one reply.</summary>
public static class FlagPolicy
{
    // Openings of the refusals that instruction-tuned models give; a short list has few false alarms and is easy to explain.
    private static readonly string[] RefusalOpenings =
    [
        "i'm sorry, but", "i am sorry, but", "sorry, but i", "sorry, i can't", "sorry, i cannot", "i can't help", "i cannot help",
        "i can't assist", "i cannot assist", "i can't provide", "i cannot provide", "i'm unable to", "i am unable to",
        "i'm not able to", "i am not able to", "as an ai", "i won't be able to",
    ];

    private const int LongestOpening = 200;

    // Shorter replies are often rightly the same: "Yes.", "You are welcome!"
    private const int ShortestEcho = 40;
    private static readonly FlagRules Default = new();

    /// <summary>
    /// The flags of a reply. A request that failed in the worker has the error flag alone; one that was refused before a
    /// worker or whose client left is not judged, apart from a refusal that was not the caller's fault (status 500 and above).
    /// </summary>
    /// <param name="evidence">What is known about the reply.</param>
    /// <param name="schema">The contract's output schema, or null.</param>
    /// <param name="rules">The contract's rules, or null for the default.</param>
    public static IReadOnlyList<Flag> Judge(in FlagEvidence evidence, JsonSchema? schema, FlagRules? rules)
    {
        if (evidence.End is EndReason.WorkerFailed || (evidence.End is EndReason.Refused && evidence.Status >= 500))
        {
            return [new(FlagKind.Error, $"the request failed with status {evidence.Status}")];
        }

        if (evidence.End is EndReason.Refused or EndReason.ClientGone)
        {
            return [];
        }

        rules ??= Default;
        List<Flag>? flags = null;
        if (Judges(FlagKind.Empty) && !evidence.HasToolCalls && string.IsNullOrWhiteSpace(evidence.Reply))
        {
            Mark(FlagKind.Empty, "the reply is empty");
        }

        if (Judges(FlagKind.Truncated) && evidence.End is EndReason.Length)
        {
            Mark(FlagKind.Truncated, "the token limit cut the reply");
        }

        if (Judges(FlagKind.Refusal) && RefusalOpening(evidence.Reply, rules) is { } opening)
        {
            Mark(FlagKind.Refusal, $"the reply opens with \"{opening}\"");
        }

        if (Judges(FlagKind.SchemaViolation) && !evidence.HasToolCalls && schema?.ValidateText(evidence.Reply) is [var problem, ..])
        {
            Mark(FlagKind.SchemaViolation, problem.ToString());
        }

        if (Judges(FlagKind.OverSlo) && OverObjective(evidence.Timings, rules) is { } excess)
        {
            Mark(FlagKind.OverSlo, excess);
        }

        if (Judges(FlagKind.Repeated) && RepeatedBecause(evidence, rules) is { } repeated)
        {
            Mark(FlagKind.Repeated, repeated);
        }

        return (IReadOnlyList<Flag>?)flags ?? [];

        bool Judges(FlagKind kind) => !rules.Off.Contains(kind);

        void Mark(FlagKind kind, string reason) => (flags ??= []).Add(new(kind, reason));
    }

    private static string? OverObjective(Timings timings, FlagRules rules) =>
        timings.TotalMs > rules.TotalMs
            ? string.Create(CultureInfo.InvariantCulture, $"{timings.TotalMs:0} ms, objective {rules.TotalMs} ms")
        : timings.FirstTokenMs > rules.FirstTokenMs
            ? string.Create(CultureInfo.InvariantCulture, $"{timings.FirstTokenMs:0} ms to the first token, objective {rules.FirstTokenMs} ms")
        : null;

    private static string? RepeatedBecause(in FlagEvidence evidence, FlagRules rules)
    {
        if (evidence.Reply is not { Length: >= ShortestEcho } reply)
        {
            return null;
        }

        if (evidence.Messages.LastOrDefault(message => message.Role == "assistant")?.Content is { } before
            && before.AsSpan().Trim().SequenceEqual(reply.AsSpan().Trim()))
        {
            return "the reply repeats the one before it word for word";
        }

        var times = rules.Repetitions ?? FlagRules.DefaultRepetitions;
        return Repetition.Find(reply, times) is { } segment
            ? $"the reply ends by saying \"{Shorten(segment.Trim(' ', '.', '\n'))}\" {times} times or more"
            : null;
    }

    private static string Shorten(string text) => text.Length <= 40 ? text : text[..39] + "…";

    private static string? RefusalOpening(string? reply, FlagRules rules)
    {
        var start = (reply ?? "").AsSpan().TrimStart();
        start = start[..Math.Min(start.Length, LongestOpening)];
        var plain = start.Contains('’') ? start.ToString().Replace('’', '\'').AsSpan() : start;
        return Opening(plain, RefusalOpenings) ?? Opening(plain, rules.RefusalOpenings);

        static string? Opening(ReadOnlySpan<char> text, IReadOnlyList<string> openings)
        {
            foreach (var opening in openings)
            {
                if (text.StartsWith(opening, StringComparison.OrdinalIgnoreCase))
                {
                    return opening;
                }
            }

            return null;
        }
    }
}
