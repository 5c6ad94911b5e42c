using System.Text.Json;
using Gateway.Domain.Interactions;

namespace Gateway.Domain.Contracts;

/// <summary>Why a contract refuses a request: a stable code, the request field at fault, and what to do.</summary>
public sealed record ContractRefusal(string Code, string Parameter, string Message);

/// <summary>
/// What the model gets: messages and tools (null without any), or a refusal instead of both.
/// </summary>
public sealed record AppliedContract(IReadOnlyList<ChatMessage>? Messages, ContractRefusal? Refusal, JsonElement? Tools = null);

/// <summary>Joins a contract's system prompt, with its variables filled in, and its tools with what a caller sent.</summary>
public static class ContractApplication
{
    /// <summary>
    /// Applies <paramref name="content"/> to <paramref name="messages"/>. 1 fills in the variables; 2 without a system prompt
    /// the messages stay as they are; 3 otherwise the caller's system and developer messages are prepended to, replaced or
    /// rejected as the policy says. Under Prepend, the leading ones join the contract's message after an empty line and later
    /// ones stay where they are; 4 tools are joined, replaced or rejected as their policy says.
    /// </summary>
    /// <param name="content">The contract version's content.</param>
    /// <param name="messages">The caller's messages; not changed.</param>
    /// <param name="variables">A JSON object of variable values, or null for none.</param>
    /// <param name="tools">The caller's tools array, or null for none.</param>
    public static AppliedContract Apply(
        ContractContent content, IReadOnlyList<ChatMessage> messages, JsonElement? variables = null, JsonElement? tools = null)
    {
        var applied = ApplyPrompt(content, messages, variables);
        if (applied.Refusal is not null)
        {
            return applied;
        }

        // 4 Tools.
        return ContractTools.IsRefused(content, tools)
            ? new(null, new("tools_not_allowed", "tools", "This deployment's contract settles the tools: send none."))
            : applied with { Tools = ContractTools.Join(content, tools) };
    }

    private static AppliedContract ApplyPrompt(ContractContent content, IReadOnlyList<ChatMessage> messages, JsonElement? variables)
    {
        // 1 Variables.
        var prompt = content.SystemPrompt;
        if (ContractVariables.Check(content.Variables, prompt, variables) is { } refusal)
        {
            return new(null, refusal);
        }

        // 2 Nothing to add.
        if (prompt is null)
        {
            return new(messages, null);
        }

        // 3 System messages.
        prompt = ContractVariables.Fill(prompt, variables);
        switch (content.SystemPolicy)
        {
            case SystemPolicy.Reject when messages.Any(IsSystem):
                return new(null, new("system_message_not_allowed", "messages",
                    "This deployment's contract brings its own system prompt: send no system or developer message."));
            case SystemPolicy.Replace:
                return new([System(prompt), .. messages.Where(m => !IsSystem(m))], null);
            default:
                var leading = messages.TakeWhile(IsSystem).Select(m => m.Content).Where(text => !string.IsNullOrEmpty(text));
                return new([System(string.Join("\n\n", leading.Prepend(prompt))), .. messages.SkipWhile(IsSystem)], null);
        }
    }

    private static bool IsSystem(ChatMessage message) => message.Role is "system" or "developer";

    private static ChatMessage System(string content) => new() { Role = "system", Content = content };
}
