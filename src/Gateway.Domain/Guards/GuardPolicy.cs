using System.Text.Json.Serialization;

namespace Gateway.Domain.Guards;

/// <summary>How a guard looks at a text.</summary>
public enum GuardKind
{
    /// <summary>Finds whole words and phrases, in any case.</summary>
    Words,

    /// <summary>Finds a regular expression.</summary>
    Pattern,

    /// <summary>Finds personal data.</summary>
    Pii,

    /// <summary>Finds a topic: as many different words of a list as the threshold says.</summary>
    Topic,

    /// <summary>Asks a classifier elsewhere.</summary>
    Http,
}

/// <summary>Which texts a guard looks at.</summary>
public enum GuardStage
{
    /// <summary>Messages and replies.</summary>
    Both,

    /// <summary>The messages of a request.</summary>
    Input,

    /// <summary>Replies.</summary>
    Output,
}

/// <summary>What a guard does with what it finds.</summary>
public enum GuardAction
{
    /// <summary>The request is refused, or the reply ends with the finish reason <c>content_filter</c>.</summary>
    Block,

    /// <summary>A placeholder takes its place.</summary>
    Redact,

    /// <summary>It stays, and the interaction is marked.</summary>
    Flag,
}

/// <summary>One guard. Which members it needs depends on its kind.</summary>
[JsonUnmappedMemberHandling(JsonUnmappedMemberHandling.Disallow)]
public sealed record GuardRule
{
    /// <summary>Its name in records and metrics, <c>[a-z0-9_-]{1,32}</c>.</summary>
    public required string Id { get; init; }

    /// <summary>How it looks.</summary>
    public required GuardKind Kind { get; init; }

    /// <summary>At what.</summary>
    public GuardStage Stage { get; init; }

    /// <summary>What it does.</summary>
    public GuardAction Action { get; init; }

    /// <summary>The words and phrases of <see cref="GuardKind.Words"/> and <see cref="GuardKind.Topic"/>.</summary>
    public IReadOnlyList<string>? Words { get; init; }

    /// <summary>How many different words make a topic; null is 2.</summary>
    public int? Threshold { get; init; }

    /// <summary>The expression of <see cref="GuardKind.Pattern"/>; matched in linear time, so without look-around and back references.</summary>
    public string? Pattern { get; init; }

    /// <summary>Where the classifier of <see cref="GuardKind.Http"/> answers; the operator must allow its address.</summary>
    public string? Url { get; init; }

    /// <summary>How long it may take, in milliseconds; null is 500.</summary>
    public int? DeadlineMs { get; init; }

    /// <summary>True to let texts through while the classifier does not answer; else they are blocked.</summary>
    public bool FailOpen { get; init; }

    /// <summary>True when the guard looks at texts of a stage.</summary>
    public bool LooksAt(GuardStage stage) => Stage == GuardStage.Both || Stage == stage;
}

/// <summary>A chain of guards: each sees what the ones before it left.</summary>
[JsonUnmappedMemberHandling(JsonUnmappedMemberHandling.Disallow)]
public sealed record GuardPolicy
{
    /// <summary>The guards, in order.</summary>
    public required IReadOnlyList<GuardRule> Rules { get; init; }

    /// <summary>
    /// How many characters of a streamed reply are held back, so that what a guard finds is stopped before any of it has
    /// left; null is 200. Longer finds are not recognised on streams.
    /// </summary>
    public int? Window { get; init; }

    /// <summary>The policy without nulls where a document left members out.</summary>
    public GuardPolicy Whole() => this with { Rules = Rules ?? [] };
}
