using System.Globalization;
using System.Text;

namespace Gateway.Training.Pretraining;

/// <summary>Writes the starter's model card: what it is, how it was made, from what, and its figures.</summary>
internal static class ModelCard
{
    private const string Sources =
        """
        ## Sources
        Texts were cleaned and filtered; no text of the validation parts was trained on.

        | stream | repository and commit | licence |
        |---|---|---|
        | books | `mlschmitt/classic-books-markdown` `944882722e9a96fa6cf2739dc2ea757e101f412f` | public domain in the United States (first published 1928 or earlier) |
        | self-dialogue-corpus | `jfainberg/self_dialogue_corpus` `113a1b0ff10308f1227c13a4aaded9bc85577816` | BSD-3-Clause |
        | taskmaster-4 | `google-research-datasets/Taskmaster` `d92cb6af3005f1dc09c39e75e7daf4a04905e00b`, TM-4-2024 | CC-BY-4.0 |
        | chatterbot-corpus | `gunthercox/chatterbot-corpus` `a01efece26661309b870af0251d96f94ee09fb19`, English | BSD-3-Clause |
        | tldr-pages | `tldr-pages/tldr` `08e345f42639f67d99282813247ac670dc6e87cb`, English pages | CC-BY-4.0 |
        | gsm8k | `openai/grade-school-math` `3101c7d5072418e28b9008a6636bde82a006892c`, train split | MIT |
        | self-instruct | `yizhongw/self-instruct` `0b26ccaa415992100fa32df62d41b994cf928e23`, seed tasks | Apache-2.0 |

        Attributions:
        - Books: texts by their authors; Markdown edition by the contributors of Classic Books as Markdown.
        - The Self-dialogue Corpus: Fainberg, Krause, Dobre, Damonte, Kahembwe, Duma, Webber, Fancellu, "Talking to myself:
          self-dialogues as data for conversational agents", 2018 (arXiv 1809.06641). Copyright (c) 2017.
        - Taskmaster-4 by Bill Byrne and Saravanan Ganesh, Google LLC, licensed under CC BY 4.0
          (https://creativecommons.org/licenses/by/4.0/), from "PERL: Parameter Efficient Reinforcement Learning from Human
          Feedback" (arXiv 2403.10704); changed: reformatted and filtered.
        - chatterbot-corpus: Copyright (c) 2017 Gunther Cox.
        - tldr-pages: Copyright (c) 2014-present the tldr-pages team and contributors, licensed under CC BY 4.0; changed: turned
          into question-answer pairs.
        - GSM8K: Cobbe et al., "Training Verifiers to Solve Math Word Problems", 2021 (arXiv 2110.14168). Copyright (c) 2021 OpenAI.
        - Self-Instruct seed tasks: Wang et al., "Self-Instruct: Aligning Language Models with Self-Generated Instructions", 2022
          (arXiv 2212.10560); changed: reformatted.

        The books keep the attitudes and vocabulary of their time.
        """;

    /// <summary>Writes README.md into the model's folder.</summary>
    public static void Write(string folder, PretrainOptions options, StarterFigures figures, IReadOnlyList<LossPoint> curve)
    {
        var config = StarterRecipe.Config;
        var text = new StringBuilder();
        void Line(FormattableString line) => text.Append(line.ToString(CultureInfo.InvariantCulture)).Append('\n');
        Line($"# Starter");
        Line($"");
        Line($"A very small chat model trained from scratch for this project, so that the gateway runs without a download. It holds");
        Line($"short conversations and follows the turn format; it knows next to nothing and must not be relied on for facts. Its use");
        Line($"is to be fine-tuned: see `gateway demo`.");
        Line($"");
        Line($"`LlamaForCausalLM`, {figures.Parameters:N0} parameters, bf16: hidden {config.HiddenSize}, feed-forward {config.IntermediateSize}, {config.LayerCount} layers, {config.HeadCount} heads / {config.KeyValueHeadCount} kv heads of {config.HeadDimension}, tied head, context {config.ContextLength}, byte-level BPE of {config.VocabularySize} tokens.");
        Line($"");
        Line($"## Figures");
        Line($"| figure | value |");
        Line($"|---|---|");
        Line($"| bits per byte, validation books | {figures.BitsPerByte:F3} |");
        Line($"| sampled words that occur in the corpora | {figures.KnownWords.Value:P1} of {figures.KnownWords.N} [{figures.KnownWords.Low:P1}, {figures.KnownWords.High:P1}] |");
        Line($"| chat replies that end by themselves | {figures.EndedReplies.Value:P1} of {figures.EndedReplies.N} [{figures.EndedReplies.Low:P1}, {figures.EndedReplies.High:P1}] |");
        Line($"");
        Line($"Sampling: temperature 0.8, nucleus 0.95. Some replies:");
        Line($"");
        foreach (var sample in figures.Samples)
        {
            Line($"- {sample}");
        }

        Line($"");
        Line($"## Training");
        Line($"```sh");
        Line($"gateway pretrain --corpora CORPORA --output OUTPUT --tokens {options.Tokens} --seed {options.Seed}");
        Line($"```");
        Line($"");
        Line($"{options.Tokens:N0} tokens, {StarterRecipe.BatchTokens} per step, AdamW at {StarterRecipe.PeakLearningRate}, warm-up {StarterRecipe.WarmupShare:P0}, cosine; pieces of {StarterRecipe.ShortPiece} tokens, {StarterRecipe.LongPiece} in the last {1 - StarterRecipe.ShortPieceShare:P0} of the steps. Mixture by tokens: {string.Join(", ", StarterRecipe.Mixture.Select(entry => string.Create(CultureInfo.InvariantCulture, $"{entry.Stream} {entry.Share:P0}")))}.");
        Line($"");
        Line($"| tokens | training loss | bits per byte |");
        Line($"|---:|---:|---:|");
        var stride = Math.Max(1, curve.Count / 16);
        foreach (var point in curve.Where((point, i) => i % stride == stride - 1 || point.ValidationBitsPerByte is not null))
        {
            Line($"| {point.Tokens:N0} | {point.Loss:F3} | {point.ValidationBitsPerByte?.ToString("F3", CultureInfo.InvariantCulture) ?? ""} |");
        }

        Line($"");
        text.Append(Sources).Append('\n');
        File.WriteAllText(Path.Combine(folder, "README.md"), text.ToString());
    }
}
