using System.Text.Json;
using Gateway.Domain.Interactions;
using Gateway.FrontDoor;

namespace Gateway.Api;

/// <summary>Writes a recorded interaction as the completion it was.</summary>
internal static class StoredCompletionWriter
{
    /// <summary>The members of a <c>chat.completion</c>.</summary>
    public static void WriteMembers(Utf8JsonWriter json, Interaction interaction, StoredCompletion kept)
    {
        json.WriteString("id", interaction.Id);
        json.WriteString("object", "chat.completion");
        json.WriteNumber("created", interaction.CreatedAt.ToUnixTimeSeconds());
        json.WriteString("model", interaction.Deployment);
        json.WriteStartArray("choices");
        WriteChoice(json, 0, new OtherReply(interaction.Reply ?? "", interaction.ToolCalls, interaction.FinishReason));
        foreach (var (index, other) in (interaction.OtherReplies ?? []).Index())
        {
            WriteChoice(json, index + 1, other);
        }

        json.WriteEndArray();
        if (interaction.Usage is { } usage)
        {
            json.WriteStartObject("usage");
            json.WriteNumber("prompt_tokens", usage.PromptTokens);
            json.WriteNumber("completion_tokens", usage.CompletionTokens);
            json.WriteNumber("total_tokens", usage.PromptTokens + usage.CompletionTokens);
            json.WriteEndObject();
        }

        json.WriteStartObject("metadata");
        foreach (var (name, value) in kept.Metadata)
        {
            json.WriteString(name, value);
        }

        json.WriteEndObject();
        json.WriteString("adapter_generation", interaction.Generation);
        json.WriteString("contract", interaction.Contract);
    }

    /// <summary>The members of a message of the request.</summary>
    public static void WriteMessageMembers(Utf8JsonWriter json, ChatMessage message)
    {
        json.WriteString("role", message.Role);
        json.WriteString("content", message.Content);
        if (message.Name is not null)
        {
            json.WriteString("name", message.Name);
        }

        if (message.ToolCallId is not null)
        {
            json.WriteString("tool_call_id", message.ToolCallId);
        }

        WriteCalls(json, message.ToolCalls);
    }

    private static void WriteChoice(Utf8JsonWriter json, int index, OtherReply reply)
    {
        json.WriteStartObject();
        json.WriteNumber("index", index);
        json.WriteStartObject("message");
        json.WriteString("role", "assistant");
        json.WriteString("content", reply.Text.Length == 0 && reply.ToolCalls is not null ? null : reply.Text);
        json.WriteNull("refusal");
        WriteCalls(json, reply.ToolCalls);
        json.WriteEndObject();
        json.WriteNull("logprobs");
        json.WriteString("finish_reason", reply.FinishReason);
        json.WriteEndObject();
    }

    private static void WriteCalls(Utf8JsonWriter json, JsonElement? calls)
    {
        if (calls is { } given)
        {
            json.WritePropertyName("tool_calls");
            given.WriteTo(json);
        }
    }
}
