using System.Text;
using Gateway.Domain.Interactions;
using Gateway.Model.Network;
using Gateway.Model.Numerics;
using Gateway.Model.Text;
using Gateway.Training.Data;
using Gateway.Training.Evaluation;

namespace Gateway.Training.Pretraining;

/// <summary>The figures of a starter model, measured on the files as they will be served.</summary>
public sealed record StarterFigures
{
    /// <summary>Number of weights.</summary>
    public required long Parameters { get; init; }

    /// <summary>Bits per byte on the validation books.</summary>
    public required double BitsPerByte { get; init; }

    /// <summary>Share of sampled words that occur in the training corpora.</summary>
    public required Interval KnownWords { get; init; }

    /// <summary>Share of chat replies to the general prompts that end by themselves.</summary>
    public required Interval EndedReplies { get; init; }

    /// <summary>A few replies, for the eye.</summary>
    public required IReadOnlyList<string> Samples { get; init; }

    private const int Texts = 64;
    private const int TextTokens = 128;
    private const int ReplyTokens = 160;

    /// <summary>
    /// Measures the model in <paramref name="folder"/>: sampling at temperature 0.8, nucleus 0.95, fixed seeds, through the
    /// serving engine.
    /// </summary>
    public static async Task<StarterFigures> MeasureAsync(
        string folder, string corpora, IReadOnlyList<string> prompts, int threads, CancellationToken cancellationToken)
    {
        using var compute = new Compute(threads);
        using var model = Transformer.Load(folder, compute);
        var tokenizer = Tokenizer.Load(folder);
        var start = tokenizer.TokenToId(StarterRecipe.EndOfText)!.Value;
        double bits;
        using (var pass = new TrainingPass(model))
        {
            var books = Corpus.Read(Path.Combine(corpora, "books-validation.jsonl.gz")).Select(document => document.Text!);
            bits = Pretraining.BitsPerByte.Measure(pass, tokenizer, start, model.Config.ContextLength, books);
        }

        using var generator = new ReplyGenerator(model, new ConversationRenderer(folder, template: null, DateTimeOffset.UnixEpoch));
        var settings = new ReplySettings { Temperature = 0.8f, TopP = 0.95f };
        var texts = await generator.ContinueAsync(
            [.. Enumerable.Repeat<int[]>([start], Texts)], null, settings with { MaxTokens = TextTokens }, (_, _) => { }, cancellationToken);
        var replies = await generator.GenerateAsync(
            [.. prompts.Select(prompt => (IReadOnlyList<ChatMessage>)[new ChatMessage { Role = "user", Content = prompt }])],
            null,
            settings with { MaxTokens = ReplyTokens },
            (_, _) => { },
            cancellationToken);
        var vocabulary = Vocabulary(corpora);
        var words = texts.SelectMany(text => WholeWords(text)).ToList();
        return new StarterFigures
        {
            Parameters = model.Config.ParameterCount,
            BitsPerByte = bits,
            KnownWords = Interval.Proportion(words.Count(vocabulary.Contains), words.Count),
            EndedReplies = Interval.Proportion(replies.Count(reply => reply.EndedItself), replies.Count),
            Samples = [.. prompts.Take(6).Select((prompt, i) => $"{prompt} → {replies[i].Text.ReplaceLineEndings(" ")}")],
        };
    }

    private static HashSet<string> Vocabulary(string corpora)
    {
        var words = new HashSet<string>(StringComparer.Ordinal);
        foreach (var name in Corpus.Names)
        {
            foreach (var document in Corpus.Read(Path.Combine(corpora, name + ".jsonl.gz")))
            {
                foreach (var text in document.Text is { } whole ? [whole] : document.Messages!.Select(message => message.Content!))
                {
                    words.UnionWith(Words(text));
                }
            }
        }

        return words;
    }

    /// <summary>The words of a sample; the last one of a text that was cut may be half a word and does not count.</summary>
    private static IEnumerable<string> WholeWords(GeneratedReply reply) =>
        reply.EndedItself ? Words(reply.Text) : Words(reply.Text).SkipLast(1);

    private static IEnumerable<string> Words(string text)
    {
        var word = new StringBuilder();
        foreach (var rune in text.EnumerateRunes())
        {
            if (Rune.IsLetter(rune))
            {
                word.Append(Rune.ToLowerInvariant(rune));
            }
            else if (word.Length > 0)
            {
                yield return word.ToString();
                word.Clear();
            }
        }

        if (word.Length > 0)
        {
            yield return word.ToString();
        }
    }
}
