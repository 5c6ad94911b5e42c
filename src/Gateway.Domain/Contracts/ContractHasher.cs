using System.Buffers;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Gateway.Domain.Json;

namespace Gateway.Domain.Contracts;

/// <summary>Computes the two hashes of a contract over canonical JSON: 64 lower-case hex digits each.</summary>
public static class ContractHasher
{
    // Members that came later are written only when they are set, so that contracts made before them keep their hashes.

    /// <summary>The hash of what the model sees: system prompt and policy, chat template, variables, output schema, tools.</summary>
    public static string PromptHash(ContractContent content) => Hash("gateway-prompt-v1", writer =>
    {
        writer.WriteString("system_prompt", content.SystemPrompt);
        writer.WriteString("system_policy", Name(content.SystemPolicy));
        writer.WriteString("chat_template", content.ChatTemplate);
        WriteElement(writer, "variables", content.Variables);
        WriteElement(writer, "output_schema", content.OutputSchema);
        if (content.Tools is not null || content.ToolsPolicy != ToolsPolicy.Allow)
        {
            WriteElement(writer, "tools", content.Tools);
            writer.WriteString("tools_policy", Name(content.ToolsPolicy));
        }
    });

    /// <summary>The hash of the whole content: the prompt hash, the output mode, the sampling values and the flag rules.</summary>
    public static string ContractHash(ContractContent content) => Hash("gateway-contract-v1", writer =>
    {
        writer.WriteString("prompt_hash", PromptHash(content));
        writer.WriteString("output_mode", Name(content.OutputMode));
        writer.WritePropertyName("sampling");
        JsonSerializer.Serialize(writer, content.Sampling, DomainJson.Default.SamplingDefaults);
        if (content.Flags is { } flags)
        {
            writer.WritePropertyName("flags");
            JsonSerializer.Serialize(writer, flags, DomainJson.Default.FlagRules);
        }

        // Written only when there are some, so that contracts made before guards keep their hashes.
        if (content.Guards is { } guards)
        {
            writer.WritePropertyName("guards");
            JsonSerializer.Serialize(writer, guards, DomainJson.Default.GuardPolicy);
        }
    });

    /// <summary>Builds a contract version with both hashes.</summary>
    public static Contract Create(
        string name, int version, ContractContent content, DateTimeOffset createdAt, string createdBy,
        string? message = null, int? parent = null) => new()
        {
            Name = name,
            Version = version,
            Content = content,
            PromptHash = PromptHash(content),
            ContractHash = ContractHash(content),
            CreatedAt = createdAt,
            CreatedBy = createdBy,
            Message = message,
            Parent = parent,
        };

    // The domain string keeps a prompt hash from ever equalling a contract hash or a hash of another format.
    private static string Hash(string domain, Action<Utf8JsonWriter> writeMembers)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using (var writer = new Utf8JsonWriter(buffer))
        {
            writer.WriteStartObject();
            writeMembers(writer);
            writer.WriteEndObject();
        }

        var canonical = CanonicalJson.Write(buffer.WrittenMemory);
        return Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(domain + "\n" + canonical)));
    }

    private static void WriteElement(Utf8JsonWriter writer, string name, JsonElement? value)
    {
        writer.WritePropertyName(name);
        if (value is { ValueKind: not JsonValueKind.Undefined } element)
        {
            element.WriteTo(writer);
        }
        else
        {
            writer.WriteNullValue();
        }
    }

    private static string Name<T>(T value)
        where T : struct, Enum => JsonNamingPolicy.SnakeCaseLower.ConvertName(value.ToString());
}
