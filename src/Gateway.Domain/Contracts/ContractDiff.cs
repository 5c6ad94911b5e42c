using System.Text.Json;
using Gateway.Domain.Json;

namespace Gateway.Domain.Contracts;

/// <summary>What changes from one contract version to another.</summary>
/// <param name="SystemPrompt">The prompts line by line; empty when they are equal.</param>
/// <param name="ChatTemplate">The same for the templates.</param>
/// <param name="Members">Every other member of the content that differs, by pointer into it, schemas included.</param>
/// <param name="PromptChanged">True when the model sees something else, so that adapters are bound to the one or the other.</param>
public sealed record ContractDiff(
    IReadOnlyList<DiffLine> SystemPrompt, IReadOnlyList<DiffLine> ChatTemplate, IReadOnlyList<JsonDifference> Members, bool PromptChanged)
{
    private static readonly string[] Texts = ["/system_prompt", "/chat_template"];

    /// <summary>Compares two versions, which may be of different contracts.</summary>
    public static ContractDiff Compare(Contract before, Contract after)
    {
        var members = JsonDiff.Compare(
            JsonSerializer.SerializeToElement(before.Content, DomainJson.Default.ContractContent),
            JsonSerializer.SerializeToElement(after.Content, DomainJson.Default.ContractContent));
        return new(
            Lines(before.Content.SystemPrompt, after.Content.SystemPrompt),
            Lines(before.Content.ChatTemplate, after.Content.ChatTemplate),
            [.. members.Where(member => !Texts.Contains(member.Pointer, StringComparer.Ordinal))],
            before.PromptHash != after.PromptHash);
    }

    private static IReadOnlyList<DiffLine> Lines(string? before, string? after) => before == after ? [] : TextDiff.Compare(before, after);
}
