using Gateway.Api.Wire;
using Gateway.Worker.ToolCalls;

namespace Gateway.Worker;

/// <summary>A prompt as ids, and as the text that an echo gives back.</summary>
internal sealed record PlannedPrompt(int[] Ids, string Text = "");

/// <summary>What becomes of a request: its prompts, how many replies each gets and how they are read.</summary>
internal sealed record ReplyPlan
{
    /// <summary>The request.</summary>
    public required InferenceRequest Request { get; init; }

    /// <summary>The prompts, at least one.</summary>
    public required IReadOnlyList<PlannedPrompt> Prompts { get; init; }

    /// <summary>Replies drawn for each prompt.</summary>
    public required int Drawn { get; init; }

    /// <summary>Tokens a reply may have, per prompt; 0 gives the echo alone.</summary>
    public required IReadOnlyList<int> MaximumTokens { get; init; }

    /// <summary>Whether replies begin with their prompts.</summary>
    public bool Echoes { get; init; }

    /// <summary>How calls are written, where some may come.</summary>
    public ToolDialect? Tools { get; init; }

    /// <summary>Names of the functions that may be called.</summary>
    public IReadOnlyCollection<string> Functions { get; init; } = [];

    /// <summary>Whether the prompt ends where a call has begun.</summary>
    public bool CallIsRequired { get; init; }

    /// <summary>Whether several calls may come.</summary>
    public bool ParallelCalls { get; init; } = true;

    /// <summary>Whether a call is the end of a reply under its elder name.</summary>
    public bool UsesFunctionCall { get; init; }

    /// <summary>What starts ids.</summary>
    public required string IdPrefix { get; init; }

    /// <summary>Makes the writer of the reply's form.</summary>
    public required Func<ReplyHead, ReplyWriter> Writer { get; init; }
}
