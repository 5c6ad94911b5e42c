using System.Text.Json;
using Gateway.Domain.Contracts;

namespace Gateway.Api;

/// <summary>The reply to a comparison of two contract versions.</summary>
internal static class ContractDiffReply
{
    /// <summary>Lines of the texts as <c>"  same"</c>, <c>"- removed"</c>, <c>"+ added"</c>; other members by pointer with both values.</summary>
    public static IResult Of(Contract before, Contract after)
    {
        var diff = ContractDiff.Compare(before, after);
        return ApiReply.Bytes(StatusCodes.Status200OK, writer =>
        {
            writer.WriteStartObject();
            writer.WriteString("object", "contract.diff");
            writer.WriteString("from", $"{before.Name}@{before.Version}");
            writer.WriteString("to", $"{after.Name}@{after.Version}");
            writer.WriteBoolean("prompt_changed", diff.PromptChanged);
            WriteLines(writer, "system_prompt", diff.SystemPrompt);
            WriteLines(writer, "chat_template", diff.ChatTemplate);
            writer.WriteStartArray("members");
            foreach (var member in diff.Members)
            {
                writer.WriteStartObject();
                writer.WriteString("pointer", member.Pointer);
                WriteValue(writer, "from", member.Before);
                WriteValue(writer, "to", member.After);
                writer.WriteEndObject();
            }

            writer.WriteEndArray();
            writer.WriteEndObject();
        });
    }

    private static void WriteLines(Utf8JsonWriter writer, string name, IReadOnlyList<DiffLine> lines)
    {
        writer.WriteStartArray(name);
        foreach (var line in lines)
        {
            writer.WriteStringValue(line.Change switch
            {
                LineChange.Removed => "- ",
                LineChange.Added => "+ ",
                _ => "  ",
            } + line.Text);
        }

        writer.WriteEndArray();
    }

    // A member that is not there is left out, so that it differs from one that is null.
    private static void WriteValue(Utf8JsonWriter writer, string name, JsonElement? value)
    {
        if (value is { } element)
        {
            writer.WritePropertyName(name);
            element.WriteTo(writer);
        }
    }
}
