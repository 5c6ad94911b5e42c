namespace Gateway.Domain.Rollouts;

/// <summary>
/// One 0/1 measure of a reply (1 = good) with its margins: the candidate is harmful when its rate is more than
/// <paramref name="HarmMargin"/> below the control's, and safe when it is less than <paramref name="SafeMargin"/> below.
/// </summary>
public sealed record Guardrail(string Name, double HarmMargin, double SafeMargin)
{
    /// <summary>The reply satisfies the contract's output schema.</summary>
    public static Guardrail SchemaValid { get; } = new("schema_valid", 0, 0.02);

    /// <summary>The reply is not empty, refused, truncated or failed.</summary>
    public static Guardrail Complete { get; } = new("complete", 0, 0.02);

    /// <summary>No thumbs-down and no correction within the attribution window.</summary>
    public static Guardrail Quality { get; } = new("quality", 0, 0.05);

    /// <summary>The three above; a release without an output schema passes the first one always.</summary>
    public static IReadOnlyList<Guardrail> Defaults { get; } = [SchemaValid, Complete, Quality];
}
