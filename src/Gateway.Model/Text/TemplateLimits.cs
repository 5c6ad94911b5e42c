namespace Gateway.Model.Text;

/// <summary>What one rendering may use before it is stopped.</summary>
/// <param name="OutputLength">Characters of text made, captured blocks and copies included.</param>
/// <param name="Steps">Loop steps and calls.</param>
/// <param name="Depth">Nested blocks and calls.</param>
public sealed record TemplateLimits(long OutputLength = 16_000_000, long Steps = 2_000_000, int Depth = 128)
{
    /// <summary>Limits that no published template comes near.</summary>
    public static TemplateLimits Default { get; } = new();
}
