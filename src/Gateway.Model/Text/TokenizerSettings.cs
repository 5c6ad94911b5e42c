using System.Text.Json;
using Gateway.Model.Text.Tokenizing;

namespace Gateway.Model.Text;

/// <summary>The part of tokenizer_config.json that serving needs; a token that is null or absent is not defined.</summary>
/// <remarks><c>clean_up_tokenization_spaces</c> is not applied: it would change what the model wrote.</remarks>
public sealed record TokenizerSettings
{
    /// <summary>Settings that name nothing.</summary>
    public static TokenizerSettings Empty { get; } = new();

    /// <summary>The token that begins a text (<c>bos_token</c>).</summary>
    public string? BeginOfTextToken { get; init; }

    /// <summary>The token that ends a text (<c>eos_token</c>).</summary>
    public string? EndOfTextToken { get; init; }

    /// <summary>The token for padding (<c>pad_token</c>).</summary>
    public string? PaddingToken { get; init; }

    /// <summary>The token for unknown text (<c>unk_token</c>).</summary>
    public string? UnknownToken { get; init; }

    /// <summary><c>add_bos_token</c>: what other programs do with raw text; chat prompts carry their own.</summary>
    public bool AddsBeginOfText { get; init; }

    /// <summary>Sources of the chat templates by name; the usual one is <c>default</c>.</summary>
    public IReadOnlyDictionary<string, string> ChatTemplates { get; init; } = new Dictionary<string, string>(StringComparer.Ordinal);

    /// <summary>Source of the template named <c>default</c>, or null.</summary>
    public string? ChatTemplate => ChatTemplates.GetValueOrDefault("default");

    /// <summary>
    /// Reads tokenizer_config.json and chat_template.jinja of a model directory; either may be missing, and the file
    /// of its own wins.
    /// </summary>
    public static TokenizerSettings Load(string directory)
    {
        var config = Path.Combine(directory, "tokenizer_config.json");
        var settings = File.Exists(config) ? Parse(File.ReadAllBytes(config)) : Empty;
        var template = Path.Combine(directory, "chat_template.jinja");
        if (!File.Exists(template))
            return settings;
        var templates = new Dictionary<string, string>(settings.ChatTemplates, StringComparer.Ordinal)
        {
            ["default"] = File.ReadAllText(template),
        };
        return settings with { ChatTemplates = templates };
    }

    /// <summary>Reads the content of a tokenizer_config.json.</summary>
    /// <exception cref="TokenizerException">It is not a JSON object of the expected form.</exception>
    public static TokenizerSettings Parse(ReadOnlyMemory<byte> json)
    {
        try
        {
            using var document = JsonDocument.Parse(json);
            var root = document.RootElement;
            return new TokenizerSettings
            {
                BeginOfTextToken = Token(root, "bos_token"),
                EndOfTextToken = Token(root, "eos_token"),
                PaddingToken = Token(root, "pad_token"),
                UnknownToken = Token(root, "unk_token"),
                AddsBeginOfText = root.Flag("add_bos_token"),
                ChatTemplates = Templates(root.Optional("chat_template")),
            };
        }
        catch (Exception problem) when (problem is JsonException or InvalidOperationException)
        {
            throw new TokenizerException(
                $"tokenizer_config.json is not valid ({problem.Message}); download it again.", problem);
        }
    }

    /// <summary>A token is a string or an object with its content.</summary>
    private static string? Token(JsonElement root, string name) =>
        root.Optional(name) is { ValueKind: JsonValueKind.Object } token ? token.String("content") : root.String(name);

    private static Dictionary<string, string> Templates(JsonElement? element)
    {
        var templates = new Dictionary<string, string>(StringComparer.Ordinal);
        if (element is { ValueKind: JsonValueKind.String } single)
        {
            templates["default"] = single.GetString()!;
        }
        else if (element is { ValueKind: JsonValueKind.Array } list)
        {
            foreach (var item in list.EnumerateArray())
                templates[item.String("name") ?? "default"] = item.Required("template").GetString()!;
        }

        return templates;
    }
}
