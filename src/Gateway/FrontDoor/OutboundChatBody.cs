using System.Text.Json;
using Gateway.Api.Wire;
using Gateway.Domain.Contracts;
using Gateway.Domain.Interactions;
using Gateway.Domain.Json;

namespace Gateway.FrontDoor;

/// <summary>
/// The request a worker gets: the caller's with the contract applied. Sampling values the caller gave win over the
/// contract's defaults, its cap on reply tokens wins over the caller's limit, and stop strings are joined.
/// </summary>
internal static class OutboundChatBody
{
    /// <summary>OpenAI's limit on stop strings, which workers enforce.</summary>
    public const int MaximumStopStrings = 4;

    /// <summary>The caller's and the contract's stop strings, each once.</summary>
    public static IReadOnlyList<string> StopStrings(ChatCompletionRequest request, ContractContent? contract) =>
        [.. request.Stop.Concat(contract?.Sampling.Stop ?? []).Distinct(StringComparer.Ordinal)];

    /// <summary>Writes the body as UTF-8 JSON.</summary>
    /// <param name="request">The caller's request.</param>
    /// <param name="model">The model name on the worker.</param>
    /// <param name="messages">The messages after the contract was applied.</param>
    /// <param name="contract">The contract's content, or null.</param>
    public static byte[] Write(ChatCompletionRequest request, string model, IReadOnlyList<ChatMessage> messages, ContractContent? contract)
    {
        using var body = new PooledBuffer();
        using (var writer = new Utf8JsonWriter(body, WireJson.WriterOptions))
        {
            writer.WriteStartObject();
            writer.WriteString("model", model);
            writer.WritePropertyName("messages");
            JsonSerializer.Serialize(writer, messages, DomainJson.Default.IReadOnlyListChatMessage);
            WriteTools(writer, request);
            OutboundFields.Write(writer, request, contract?.Sampling, StopStrings(request, contract), "max_completion_tokens");
            if (request.Logprobs is { } alternatives)
            {
                writer.WriteBoolean("logprobs", true);
                writer.WriteNumber("top_logprobs", alternatives);
            }

            if (!request.AddGenerationPrompt)
            {
                writer.WriteBoolean("add_generation_prompt", false);
            }

            if (contract?.ChatTemplate is { } template)
            {
                writer.WriteString("chat_template", template);
            }

            WriteTemplateVariables(writer, request.TemplateVariables);
            writer.WriteEndObject();
        }

        return body.Written.ToArray();
    }

    /// <summary>In the form that every worker knows: functions that may not be called are left out already.</summary>
    private static void WriteTools(Utf8JsonWriter writer, ChatCompletionRequest request)
    {
        if (request.Tools is not { } tools)
        {
            return;
        }

        writer.WritePropertyName("tools");
        tools.WriteTo(writer);
        if (request.RequiredFunction is { } name)
        {
            writer.WriteStartObject("tool_choice");
            writer.WriteString("type", "function");
            writer.WriteStartObject("function");
            writer.WriteString("name", name);
            writer.WriteEndObject();
            writer.WriteEndObject();
        }
        else
        {
            writer.WriteString("tool_choice", request.ToolMode == ToolMode.Required ? "required" : "auto");
        }

        if (!request.ParallelCalls)
        {
            writer.WriteBoolean("parallel_tool_calls", false);
        }
    }

    private static void WriteTemplateVariables(Utf8JsonWriter writer, IReadOnlyDictionary<string, JsonElement>? variables)
    {
        if (variables is null)
        {
            return;
        }

        writer.WriteStartObject("chat_template_kwargs");
        foreach (var (name, value) in variables)
        {
            writer.WritePropertyName(name);
            value.WriteTo(writer);
        }

        writer.WriteEndObject();
    }
}
