using Gateway.Model.Network;
using Gateway.Model.Text;
using Gateway.Model.Weights;

namespace Gateway.Training.Pretraining;

/// <summary>Writes the starter's files in the layout of a Hugging Face checkpoint.</summary>
internal static class StarterFiles
{
    /// <summary>Learns the vocabulary from <paramref name="texts"/> and writes the tokenizer's files and the chat template.</summary>
    public static void WriteTokenizer(string folder, IEnumerable<string> texts)
    {
        var trained = BpeTrainer.Train(texts, new BpeTrainingOptions(StarterRecipe.VocabularySize, StarterRecipe.SpecialTokens));
        TokenizerFiles.Write(folder, trained, new TokenizerSettings
        {
            EndOfTextToken = StarterRecipe.TurnEnd,
            PaddingToken = StarterRecipe.EndOfText,
        });
        File.WriteAllText(Path.Combine(folder, "chat_template.jinja"), StarterRecipe.ChatTemplate);
    }

    /// <summary>Writes weights and configuration, bf16.</summary>
    public static void WriteModel(string folder, TransformerParameters parameters)
    {
        parameters.Save(folder, SavedType.BF16);
        File.WriteAllText(
            Path.Combine(folder, "generation_config.json"),
            """
            {
              "do_sample": true,
              "eos_token_id": [0, 2],
              "temperature": 0.8,
              "top_p": 0.95
            }

            """);
    }
}
