using System.Text.Json;
using Gateway.Model.Weights;

namespace Gateway.Model.Lora;

/// <summary>Checks the files that may lie beside an adapter: a tokenizer that grew the vocabulary, a manifest for another base.</summary>
internal static class AdapterCompanions
{
    /// <summary>Refuses companions that say the adapter was made for another base model.</summary>
    /// <exception cref="InvalidAdapterException">A companion contradicts the base model.</exception>
    public static void Check(string directory, ModelConfig config, string? baseFingerprint)
    {
        RequireVocabulary(Path.Combine(directory, "added_tokens.json"), config, root => root.EnumerateObject().Select(token => (token.Name, token.Value)));
        RequireVocabulary(Path.Combine(directory, "tokenizer.json"), config, root => root.TryGetProperty("added_tokens", out var added)
            ? added.EnumerateArray().Select(token => (token.GetProperty("content").GetString()!, token.GetProperty("id")))
            : []);
        var manifest = Path.Combine(directory, "manifest.json");
        if (baseFingerprint is not null && File.Exists(manifest))
        {
            using var document = JsonDocument.Parse(File.ReadAllBytes(manifest));
            if (document.RootElement.TryGetProperty("base_fingerprint", out var stated) && !stated.ValueEquals(baseFingerprint))
            {
                throw new InvalidAdapterException($"manifest.json: base_fingerprint {stated} is not that of the served base model ({baseFingerprint}); train the adapter for this base.");
            }
        }
    }

    private static void RequireVocabulary(string path, ModelConfig config, Func<JsonElement, IEnumerable<(string Content, JsonElement Id)>> tokens)
    {
        if (!File.Exists(path))
        {
            return;
        }

        try
        {
            using var document = JsonDocument.Parse(File.ReadAllBytes(path));
            foreach (var (content, id) in tokens(document.RootElement))
            {
                if (id.GetInt64() >= config.VocabularySize)
                {
                    throw new InvalidAdapterException($"{Path.GetFileName(path)}: token '{content}' has id {id}, beyond the base model's {config.VocabularySize} tokens; adapters with an added vocabulary are not supported.");
                }
            }
        }
        catch (Exception exception) when (exception is InvalidOperationException or KeyNotFoundException or FormatException)
        {
            throw new InvalidAdapterException($"'{path}' is not a valid tokenizer file ({exception.Message}); remove it or export the adapter again.", exception);
        }
    }
}
