using Gateway.Domain.Contracts;

namespace Gateway.Training.Data;

/// <summary>The compiled output schema of a contract.</summary>
internal static class OutputSchema
{
    /// <summary>The schema, or null when replies are free.</summary>
    /// <exception cref="RunRefusedException">The schema uses a construct that is not supported; no such contract can be created.</exception>
    public static JsonSchema? Of(Contract contract) =>
        contract.Content.OutputSchema is not { } element ? null
        : JsonSchema.TryParse(element, out var schema, out var problems) ? schema
        : throw new RunRefusedException($"the contract's output schema cannot be used: {string.Join(", ", problems.Select(problem => $"{problem.Pointer} {problem.Message}"))}; create a new contract version.");
}
