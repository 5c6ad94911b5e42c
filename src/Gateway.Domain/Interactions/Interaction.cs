using System.Text.Json;

namespace Gateway.Domain.Interactions;

/// <summary>What was asked for.</summary>
public enum InteractionKind
{
    /// <summary>A chat completion.</summary>
    Chat,

    /// <summary>A text completion: prompts instead of messages, no contract, never a training row.</summary>
    Completion,
}

/// <summary>A further choice of a request that asked for several.</summary>
/// <param name="Text">Its text.</param>
/// <param name="ToolCalls">Its calls as OpenAI's array, or null.</param>
/// <param name="FinishReason">How it ended, as the client saw it.</param>
public sealed record OtherReply(string Text, JsonElement? ToolCalls, string? FinishReason);

/// <summary>How a request ended; every request has exactly one end.</summary>
public enum EndReason
{
    /// <summary>The model ended its reply or met a stop string.</summary>
    Stop,

    /// <summary>The token limit or the context cut the reply.</summary>
    Length,

    /// <summary>The client went away.</summary>
    ClientGone,

    /// <summary>The worker failed or vanished.</summary>
    WorkerFailed,

    /// <summary>The request was refused before it reached a worker.</summary>
    Refused,
}

/// <summary>The arm of a rollout that served a request.</summary>
public enum Arm
{
    /// <summary>No rollout, or a unit outside both arms.</summary>
    Stable,

    /// <summary>The concurrent control of a rollout: the stable release, analysed.</summary>
    Control,

    /// <summary>The candidate release.</summary>
    Candidate,
}

/// <summary>Automatic failure marks.</summary>
public enum FlagKind
{
    /// <summary>The reply does not satisfy the contract's output schema.</summary>
    SchemaViolation,

    /// <summary>The reply is empty or white space.</summary>
    Empty,

    /// <summary>The reply was cut by the token limit.</summary>
    Truncated,

    /// <summary>The reply declines to answer.</summary>
    Refusal,

    /// <summary>Latency above the deployment's objective.</summary>
    OverSlo,

    /// <summary>A guard fired.</summary>
    GuardHit,

    /// <summary>The request failed for a reason that is not the caller's.</summary>
    Error,

    /// <summary>The reply has run into a loop, or says again what the one before it said.</summary>
    Repeated,
}

/// <summary>An automatic mark with its reason. A flag alone is never a training target.</summary>
public sealed record Flag(FlagKind Kind, string Reason);

/// <summary>Token counts of one request.</summary>
public sealed record TokenUsage(int PromptTokens, int CompletionTokens);

/// <summary>Timings of one request in milliseconds from its arrival; null where the event did not happen.</summary>
public sealed record Timings(double? FirstTokenMs, double TotalMs);

/// <summary>
/// One request and its reply with everything needed to explain it. Written once, when the reply ends; never changed.
/// </summary>
public sealed record Interaction
{
    /// <summary>The response id the client saw, <c>chatcmpl-…</c>.</summary>
    public required string Id { get; init; }

    /// <summary>What was asked for.</summary>
    public InteractionKind Kind { get; init; }

    /// <summary>When the request arrived.</summary>
    public required DateTimeOffset CreatedAt { get; init; }

    /// <summary>The model name asked for.</summary>
    public required string Deployment { get; init; }

    /// <summary>The release that served, or null when the request was refused before one was chosen.</summary>
    public string? ReleaseId { get; init; }

    /// <summary>The adapter generation that served; null for the base.</summary>
    public string? Generation { get; init; }

    /// <summary>Contract as <c>name@version</c>, or null.</summary>
    public string? Contract { get; init; }

    /// <summary>The rollout under way, or null.</summary>
    public string? RolloutId { get; init; }

    /// <summary>The arm that served.</summary>
    public Arm Arm { get; init; }

    /// <summary>Share of traffic per arm at assignment.</summary>
    public double ArmShare { get; init; }

    /// <summary>SHA-256 of the randomisation unit, 32 hex digits.</summary>
    public string? UnitHash { get; init; }

    /// <summary>Which rule gave the unit: header, safety_identifier, user, prompt_cache_key or request.</summary>
    public string? UnitSource { get; init; }

    /// <summary>The end user, from <c>safety_identifier</c> or <c>user</c>; for opt-out and caps.</summary>
    public string? User { get; init; }

    /// <summary>Whose key asked; null where no keys are used. Only this owner and operators may see and rate it.</summary>
    public string? Owner { get; init; }

    /// <summary>The public id of the key that asked.</summary>
    public string? KeyId { get; init; }

    /// <summary>The caller's messages before the contract was applied; the prompts of a text completion, each as a user's message.</summary>
    public required IReadOnlyList<ChatMessage> Messages { get; init; }

    /// <summary>The reply's text; partial when the request broke off.</summary>
    public string? Reply { get; init; }

    /// <summary>The tools that the model was shown, as OpenAI's array, or null.</summary>
    public JsonElement? Tools { get; init; }

    /// <summary>The reply's tool calls as OpenAI's array, or null.</summary>
    public JsonElement? ToolCalls { get; init; }

    /// <summary>How the reply ended as the client saw it, or null where it saw no end.</summary>
    public string? FinishReason { get; init; }

    /// <summary>The choices behind the first, or null. Flags and training look at the first.</summary>
    public IReadOnlyList<OtherReply>? OtherReplies { get; init; }

    /// <summary>The caller's pairs, or null.</summary>
    public IReadOnlyDictionary<string, string>? Metadata { get; init; }

    /// <summary>How the request ended.</summary>
    public required EndReason End { get; init; }

    /// <summary>HTTP status the client got (499 when it left first).</summary>
    public int Status { get; init; }

    /// <summary>Token counts, or null when the worker reported none.</summary>
    public TokenUsage? Usage { get; init; }

    /// <summary>Timings.</summary>
    public required Timings Timings { get; init; }

    /// <summary>True when the reply was streamed.</summary>
    public bool Streamed { get; init; }

    /// <summary>Automatic marks.</summary>
    public IReadOnlyList<Flag> Flags { get; init; } = [];

    /// <summary>The worker that served, by its configured name.</summary>
    public string? Worker { get; init; }

    /// <summary>True when the interaction may not be used for training (caller's opt-out).</summary>
    public bool OptOut { get; init; }
}
