using System.Text.Json;
using Gateway.Domain.Guards;
using Gateway.Domain.Interactions;

namespace Gateway.Domain.Contracts;

/// <summary>What happens to a caller's own system messages when the contract brings a system prompt.</summary>
public enum SystemPolicy
{
    /// <summary>The contract's prompt comes first; the caller's system text follows in the same message.</summary>
    Prepend,

    /// <summary>The caller's system messages are dropped.</summary>
    Replace,

    /// <summary>A request with a system message is refused (400).</summary>
    Reject,
}

/// <summary>What happens to the tools of a request.</summary>
public enum ToolsPolicy
{
    /// <summary>The contract's tools come first, the caller's follow; of two with one name the contract's stays.</summary>
    Allow,

    /// <summary>The model sees the contract's tools only.</summary>
    Replace,

    /// <summary>A request with tools is refused (400).</summary>
    Reject,
}

/// <summary>What the output schema is used for.</summary>
public enum OutputMode
{
    /// <summary>Replies are checked and violations are flagged; decoding is free.</summary>
    Validate,

    /// <summary>Decoding is constrained to the schema.</summary>
    Enforce,
}

/// <summary>
/// Sampling values a contract gives as defaults, which a caller's own override, and caps, to which a caller's higher values are
/// lowered; null leaves the caller or the model in charge.
/// </summary>
public sealed record SamplingDefaults
{
    /// <summary>Softmax temperature, 0–2; 0 is greedy.</summary>
    public double? Temperature { get; init; }

    /// <summary>Nucleus mass, 0–1.</summary>
    public double? TopP { get; init; }

    /// <summary>Number of candidates kept; 0 keeps all.</summary>
    public int? TopK { get; init; }

    /// <summary>Cap on reply tokens; a caller may ask for fewer.</summary>
    public int? MaxTokens { get; init; }

    /// <summary>Reply tokens where the caller names no number; not above <see cref="MaxTokens"/>.</summary>
    public int? DefaultMaxTokens { get; init; }

    /// <summary>Cap on the temperature, 0–2.</summary>
    public double? MaxTemperature { get; init; }

    /// <summary>Stop strings, joined with the caller's.</summary>
    public IReadOnlyList<string> Stop { get; init; } = [];
}

/// <summary>The content of one contract version: everything that is hashed.</summary>
public sealed record ContractContent
{
    /// <summary>The system prompt; null adds none. <c>{{name}}</c> marks a variable.</summary>
    public string? SystemPrompt { get; init; }

    /// <summary>How the caller's system messages combine with <see cref="SystemPrompt"/>.</summary>
    public SystemPolicy SystemPolicy { get; init; }

    /// <summary>Jinja chat template; null uses the base model's own.</summary>
    public string? ChatTemplate { get; init; }

    /// <summary>JSON Schema (object) of the variables; null declares none.</summary>
    public JsonElement? Variables { get; init; }

    /// <summary>JSON Schema of the reply; null leaves replies free.</summary>
    public JsonElement? OutputSchema { get; init; }

    /// <summary>Whether <see cref="OutputSchema"/> is enforced or validated.</summary>
    public OutputMode OutputMode { get; init; }

    /// <summary>OpenAI's array of tool definitions that the contract brings; null brings none.</summary>
    public JsonElement? Tools { get; init; }

    /// <summary>How the caller's tools combine with <see cref="Tools"/>.</summary>
    public ToolsPolicy ToolsPolicy { get; init; }

    /// <summary>Sampling defaults and caps.</summary>
    public SamplingDefaults Sampling { get; init; } = new();

    /// <summary>How replies are judged; null is the default.</summary>
    public FlagRules? Flags { get; init; }

    /// <summary>What may not go in or out; null guards nothing beyond what guards every deployment.</summary>
    public GuardPolicy? Guards { get; init; }
}

/// <summary>
/// One immutable version of a prompt contract. <see cref="PromptHash"/> covers what the model sees (system prompt and
/// policy, chat template, variables, output schema, tools); <see cref="ContractHash"/> adds the output mode, sampling and flag
/// rules. Name, version, author, message and parent are in neither.
/// </summary>
public sealed record Contract
{
    /// <summary>The contract's name, <c>[a-z0-9_.-]{1,64}</c>.</summary>
    public required string Name { get; init; }

    /// <summary>1, 2, 3 …, given by the store.</summary>
    public required int Version { get; init; }

    /// <summary>The hashed content.</summary>
    public required ContractContent Content { get; init; }

    /// <summary>64 hex digits; adapters bind to this hash.</summary>
    public required string PromptHash { get; init; }

    /// <summary>64 hex digits.</summary>
    public required string ContractHash { get; init; }

    /// <summary>When the version was created.</summary>
    public required DateTimeOffset CreatedAt { get; init; }

    /// <summary>Who created it.</summary>
    public required string CreatedBy { get; init; }

    /// <summary>Why it was created.</summary>
    public string? Message { get; init; }

    /// <summary>The version it was derived from, if any.</summary>
    public int? Parent { get; init; }
}
