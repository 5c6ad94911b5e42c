using System.Diagnostics.CodeAnalysis;
using System.Text.Json;
using Gateway.Api.Wire;
using Gateway.Domain.Contracts;
using Gateway.Domain.Json;
using Gateway.Engine.Grammars;
using Gateway.FrontDoor;
using Gateway.Model.Text;

namespace Gateway.Api;

/// <summary>Reads and checks the content of a new contract version, so that a version in the store can always be served.</summary>
internal static class ContractBody
{
    private static readonly HashSet<string> Members = new(StringComparer.Ordinal)
    {
        "system_prompt", "system_policy", "chat_template", "variables", "output_schema", "output_mode", "tools", "tools_policy", "sampling", "flags", "guards",
    };

    private static readonly HashSet<string> SamplingMembers = new(StringComparer.Ordinal)
    {
        "temperature", "max_temperature", "top_p", "top_k", "max_tokens", "default_max_tokens", "stop",
    };

    private static readonly HashSet<string> FlagMembers = new(StringComparer.Ordinal) { "off", "refusal_openings", "first_token_ms", "total_ms", "repetitions" };
    private static readonly TimeSpan GrammarTime = TimeSpan.FromSeconds(10);

    /// <summary>The content with defaults filled in, or the first thing wrong with it.</summary>
    public static bool TryRead(
        JsonElement? body, [NotNullWhen(true)] out ContractContent? content, [NotNullWhen(false)] out ApiError? error)
    {
        content = null;
        if (body is not { ValueKind: JsonValueKind.Object } given)
        {
            error = body is null ? ApiError.MissingParameter("content") : ApiError.InvalidValue("content", "expected an object.");
            return false;
        }

        error = UnknownMember(given, Members, "content")
            ?? (given.TryGetProperty("sampling", out var sampling) ? UnknownMember(sampling, SamplingMembers, "content.sampling") : null)
            ?? (given.TryGetProperty("flags", out var rules) ? UnknownMember(rules, FlagMembers, "content.flags") : null);
        if (error is not null)
        {
            return false;
        }

        try
        {
            // The source generator sets missing members to their type's default, so nulls are filled in here.
            var read = given.Deserialize(DomainJson.Default.ContractContent)!;
            var values = read.Sampling ?? new SamplingDefaults();
            content = read with
            {
                Sampling = values with { Stop = values.Stop ?? [] },
                Flags = read.Flags is { } flags ? flags with { Off = flags.Off ?? [], RefusalOpenings = flags.RefusalOpenings ?? [] } : null,
                Guards = read.Guards?.Whole(),
            };
        }
        catch (JsonException failure)
        {
            error = ApiError.InvalidValue(failure.Path is { Length: > 2 } path ? $"content.{path[2..]}" : "content", "its type or value is not what this member takes. See docs/api.md.");
            return false;
        }

        error = Check(content);
        return error is null;
    }

    private static ApiError? Check(ContractContent content)
    {
        if (content.Sampling.Stop.Count > OutboundChatBody.MaximumStopStrings || content.Sampling.Stop.Any(string.IsNullOrEmpty))
        {
            return ApiError.InvalidValue("content.sampling.stop", $"expected at most {OutboundChatBody.MaximumStopStrings} non-empty strings.");
        }

        return ContractValidation.Check(content) is [var problem, ..] ? ApiError.InvalidContract(problem)
            : CheckTemplate(content.ChatTemplate)
                ?? (content is { OutputMode: OutputMode.Enforce, OutputSchema: { } schema } ? CheckGrammar(schema) : null);
    }

    // What decoding cannot enforce is found here and not by the first request.
    private static ApiError? CheckGrammar(JsonElement schema)
    {
        using var limit = new CancellationTokenSource(GrammarTime);
        try
        {
            Grammar.FromSchema(schema.GetRawText(), limit.Token);
            return null;
        }
        catch (GrammarException refusal)
        {
            return ApiError.UnsupportedSchema("content.output_schema", refusal.Pointer, refusal.Problem);
        }
        catch (OperationCanceledException)
        {
            return ApiError.UnsupportedSchema("content.output_schema", "", $"takes more than {GrammarTime.TotalSeconds:F0} s to compile: simplify it");
        }
    }

    private static ApiError? CheckTemplate(string? template)
    {
        try
        {
            if (template is not null)
            {
                ChatTemplate.Parse(template);
            }

            return null;
        }
        catch (TemplateException failure)
        {
            return ApiError.InvalidValue("content.chat_template", $"the template cannot be parsed: {failure.Message}");
        }
    }

    private static ApiError? UnknownMember(JsonElement value, HashSet<string> known, string path) =>
        value.ValueKind != JsonValueKind.Object ? null
        : value.EnumerateObject().Select(member => member.Name).FirstOrDefault(name => !known.Contains(name)) is { } unknown
            ? ApiError.UnknownParameter($"{path}.{unknown}")
            : null;
}
