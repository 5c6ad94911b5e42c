using System.Text.Json;
using Gateway.Domain.Guards;

namespace Gateway.Domain.Contracts;

/// <summary>Checks the content of a contract before it becomes a version.</summary>
public static class ContractValidation
{
    /// <summary>What is wrong with <paramref name="content"/>, by pointer into it; empty when it may be stored.</summary>
    public static IReadOnlyList<JsonProblem> Check(ContractContent content)
    {
        var problems = new List<JsonProblem>();
        CheckSchema("/output_schema", content.OutputSchema);
        CheckSchema("/variables", content.Variables);
        if (content.OutputMode == OutputMode.Enforce && content.OutputSchema is null)
        {
            problems.Add(new("/output_mode", "'enforce' needs an output_schema"));
        }

        CheckRange("/sampling/temperature", content.Sampling.Temperature, 0, 2);
        CheckRange("/sampling/top_p", content.Sampling.TopP, 0, 1);
        CheckRange("/sampling/top_k", content.Sampling.TopK, 0, int.MaxValue);
        CheckRange("/sampling/max_tokens", content.Sampling.MaxTokens, 1, int.MaxValue);
        CheckRange("/sampling/default_max_tokens", content.Sampling.DefaultMaxTokens, 1, content.Sampling.MaxTokens ?? int.MaxValue);
        CheckRange("/sampling/max_temperature", content.Sampling.MaxTemperature, content.Sampling.Temperature ?? 0, 2);
        problems.AddRange(ContractTools.Check(content).Select(problem => problem with { Pointer = "/tools" + problem.Pointer }));
        problems.AddRange((content.Flags?.Check() ?? []).Select(problem => problem with { Pointer = "/flags" + problem.Pointer }));
        problems.AddRange(GuardValidation.Check(content.Guards, "/guards"));
        if (content.Variables is { ValueKind: JsonValueKind.Object } variables)
        {
            var declared = variables.TryGetProperty("properties", out var p) && p.ValueKind == JsonValueKind.Object ? p : default;
            problems.AddRange(ContractVariables.NamesIn(content.SystemPrompt)
                .Where(name => declared.ValueKind != JsonValueKind.Object || !declared.TryGetProperty(name, out _))
                .Select(name => new JsonProblem("/system_prompt", $"uses the variable '{name}', which 'variables' does not declare")));
        }

        return problems;

        void CheckSchema(string pointer, JsonElement? schema)
        {
            if (schema is { } element && !JsonSchema.TryParse(element, out _, out var found))
            {
                problems.AddRange(found.Select(problem => problem with { Pointer = pointer + problem.Pointer }));
            }
        }

        void CheckRange(string pointer, double? value, double low, double high)
        {
            if (value is { } number && !(number >= low && number <= high))
            {
                problems.Add(new(pointer, FormattableString.Invariant($"must be from {low} to {high}")));
            }
        }
    }
}
