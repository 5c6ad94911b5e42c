using System.Text.Json;

namespace Gateway.Commands;

/// <summary>The general prompts that ship with the starter.</summary>
internal static class GeneralPrompts
{
    /// <summary>The prompts in file order.</summary>
    public static IReadOnlyList<string> Read() =>
    [
        .. File.ReadLines(Path.Combine(AppContext.BaseDirectory, "Starter", "general-prompts.jsonl")).Where(line => line.Length > 0).Select(line =>
        {
            using var json = JsonDocument.Parse(line);
            return json.RootElement.GetProperty("prompt").GetString()!;
        }),
    ];
}
