using System.Globalization;
using Gateway.Domain.Contracts;

namespace Gateway.Domain.Interactions;

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

    /// <summary>
    /// The flags of a reply. A request that failed in the worker has the error flag alone; one that was refused before a
    /// worker or whose client left is not judged, apart from a refusal that was not the caller's fault (status 500 and above).
    /// </summary>
    /// <param name="reply">The reply's text.</param>
    /// <param name="end">How the request ended.</param>
    /// <param name="status">HTTP status of the answer.</param>
    /// <param name="timings">Timings of the request.</param>
    /// <param name="schema">The contract's output schema, or null.</param>
    /// <param name="latencyObjective">Longest total time that is within the objective, or null for none.</param>
    /// <param name="hasCalls">Whether it calls tools: then it may have no text, and the schema is not about it.</param>
    public static IReadOnlyList<Flag> Judge(
        string? reply, EndReason end, int status, Timings timings, JsonSchema? schema, TimeSpan? latencyObjective, bool hasCalls = false)
    {
        if (end is EndReason.WorkerFailed || (end is EndReason.Refused && status >= 500))
        {
            return [new(FlagKind.Error, $"the request failed with status {status}")];
        }

        if (end is EndReason.Refused or EndReason.ClientGone)
        {
            return [];
        }

        var flags = new List<Flag>();
        if (string.IsNullOrWhiteSpace(reply) && !hasCalls)
        {
            flags.Add(new(FlagKind.Empty, "the reply is empty"));
        }

        if (end is EndReason.Length)
        {
            flags.Add(new(FlagKind.Truncated, "the token limit cut the reply"));
        }

        if (IsRefusal(reply, out var opening))
        {
            flags.Add(new(FlagKind.Refusal, $"the reply opens with \"{opening}\""));
        }

        if (!hasCalls && schema?.ValidateText(reply) is [var problem, ..])
        {
            flags.Add(new(FlagKind.SchemaViolation, problem.ToString()));
        }

        if (latencyObjective is { } objective && timings.TotalMs > objective.TotalMilliseconds)
        {
            flags.Add(new(FlagKind.OverSlo, string.Create(CultureInfo.InvariantCulture,
                $"{timings.TotalMs:0} ms, objective {objective.TotalMilliseconds:0} ms")));
        }

        return flags;
    }

    private static bool IsRefusal(string? reply, out string opening)
    {
        var start = (reply ?? "").TrimStart().Replace('’', '\'');
        opening = Array.Find(RefusalOpenings, o => start.StartsWith(o, StringComparison.OrdinalIgnoreCase)) ?? "";
        return opening.Length > 0;
    }
}
