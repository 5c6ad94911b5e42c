using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json;
using Gateway.Domain.Interactions;
using Gateway.Model.Network;
using Gateway.Model.Numerics;
using Gateway.Model.Text;
using Gateway.Model.Weights;
using Gateway.Training.Optimization;

namespace Gateway.Training.Pretraining;

/// <summary>What a pre-training run needs to know.</summary>
public sealed record PretrainOptions
{
    /// <summary>Folder with the corpora, see <see cref="Corpus"/>.</summary>
    public required string Corpora { get; init; }

    /// <summary>Folder that becomes the model directory; holds the run's checkpoint until it is finished.</summary>
    public required string Output { get; init; }

    /// <summary>Length of the run in tokens.</summary>
    public long Tokens { get; init; } = StarterRecipe.DefaultTokens;

    /// <summary>Compute threads.</summary>
    public int Threads { get; init; } = Environment.ProcessorCount;

    /// <summary>General prompts the closing evaluation answers.</summary>
    public required IReadOnlyList<string> Prompts { get; init; }

    /// <summary>Seed of initialisation and data order.</summary>
    public int Seed { get; init; } = 1;
}

/// <summary>
/// Trains the starter base model from scratch:
/// <list type="number">
/// <item>read the corpora;</item>
/// <item>train the tokenizer on a sample and write it, with the chat template, to the output folder;</item>
/// <item>encode every document;</item>
/// <item>train: AdamW, warm-up and cosine, short pieces first and whole contexts at the end, a checkpoint every few minutes;</item>
/// <item>write the weights in bf16 with config.json and generation_config.json;</item>
/// <item>measure what was written and write the model card.</item>
/// </list>
/// A killed run continues from its last checkpoint and ends with the same bits. Reports through <see cref="IProgress{T}"/>.
/// </summary>
public sealed class PretrainRun(PretrainOptions options, TimeProvider clock, IProgress<PretrainProgress> progress)
{
    private const int VocabularySampleBytes = 24_000_000;
    private const int StepsPerCheckpoint = 500;
    private const int StepsPerPoint = 50;
    private const int StepsPerValidation = 1000;
    private const int ValidationDocuments = 40;

    private string CheckpointFile => Path.Combine(options.Output, "pretrain.checkpoint");

    private string CurveFile => Path.Combine(options.Output, "loss-curve.jsonl");

    /// <summary>Runs all stages.</summary>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        Directory.CreateDirectory(options.Output);

        // 1. Read.
        var documents = ReadDocuments(cancellationToken);

        // 2. Tokenizer.
        var tokenizer = EnsureTokenizer(documents);

        // 3. Encode.
        var streams = Encode(documents, tokenizer, cancellationToken);
        documents = null;

        // 4. Train.
        using (var compute = new Compute(options.Threads))
        using (var parameters = TransformerParameters.Create(StarterRecipe.Config, (ulong)options.Seed))
        using (var model = Transformer.Create(parameters, compute))
        {
            Train(model, parameters, tokenizer, streams, cancellationToken);

            // 5. Write.
            StarterFiles.WriteModel(options.Output, parameters);
        }

        // 6. Measure.
        progress.Report(new PretrainProgress("evaluating", 0, 1));
        var figures = await StarterFigures.MeasureAsync(options.Output, options.Corpora, options.Prompts, options.Threads, cancellationToken);
        var curve = File.ReadLines(CurveFile).Select(line => JsonSerializer.Deserialize(line, TrainingJson.Default.LossPoint)!).ToList();
        ModelCard.Write(options.Output, options, figures, curve);
        progress.Report(new PretrainProgress("evaluating", 1, 1));
        File.Delete(CheckpointFile);
    }

    private List<CorpusDocument> ReadDocuments(CancellationToken cancellationToken)
    {
        var documents = new List<CorpusDocument>();
        foreach (var name in Corpus.Names)
        {
            foreach (var document in Corpus.Read(Path.Combine(options.Corpora, name + ".jsonl.gz")))
            {
                cancellationToken.ThrowIfCancellationRequested();
                documents.Add(document);
                if (documents.Count % 1000 == 0)
                {
                    progress.Report(new PretrainProgress("reading", documents.Count, 0, name));
                }
            }
        }

        return documents;
    }

    private Tokenizer EnsureTokenizer(List<CorpusDocument> documents)
    {
        if (!File.Exists(Path.Combine(options.Output, "tokenizer.json")))
        {
            progress.Report(new PretrainProgress("vocabulary", 0, 1));
            StarterFiles.WriteTokenizer(options.Output, VocabularySample(documents));
            progress.Report(new PretrainProgress("vocabulary", 1, 1));
        }

        return Tokenizer.Load(options.Output);
    }

    /// <summary>Texts in the proportions of the mixture, so that the vocabulary fits what will be read.</summary>
    private static IEnumerable<string> VocabularySample(List<CorpusDocument> documents)
    {
        foreach (var (stream, share) in StarterRecipe.Mixture)
        {
            var budget = (long)(share * VocabularySampleBytes);
            foreach (var document in documents)
            {
                if (budget <= 0)
                {
                    break;
                }

                if (StreamOf(document) != stream)
                {
                    continue;
                }

                foreach (var text in document.Text is { } whole ? [whole] : document.Messages!.Select(message => message.Content!))
                {
                    budget -= text.Length;
                    yield return text;
                }
            }
        }
    }

    private List<TokenStream> Encode(List<CorpusDocument> documents, Tokenizer tokenizer, CancellationToken cancellationToken)
    {
        var renderer = new ConversationRenderer(options.Output, template: null, DateTimeOffset.UnixEpoch);
        var encoded = new int[documents.Count][];
        var done = 0L;
        Parallel.For(
            0,
            documents.Count,
            new ParallelOptions { MaxDegreeOfParallelism = options.Threads, CancellationToken = cancellationToken },
            i =>
            {
                encoded[i] = EncodeDocument(documents[i], i, tokenizer, renderer);
                var count = Interlocked.Increment(ref done);
                if (count % 1000 == 0)
                {
                    progress.Report(new PretrainProgress("encoding", count, documents.Count));
                }
            });
        return [.. StarterRecipe.Mixture.Select(entry => new TokenStream(
            entry.Stream,
            entry.Share,
            [.. encoded.Where((_, i) => StreamOf(documents[i]) == entry.Stream)]))];
    }

    /// <summary>Running text between end-of-text marks; conversations through the chat template, every fourth with a system prompt.</summary>
    private static int[] EncodeDocument(CorpusDocument document, int index, Tokenizer tokenizer, ConversationRenderer renderer)
    {
        if (document.Text is { } text)
        {
            var end = tokenizer.TokenToId(StarterRecipe.EndOfText)!.Value;
            return [end, .. tokenizer.Encode(text), end];
        }

        var messages = document.Messages!;
        if (index % 4 == 0)
        {
            var prompt = StarterRecipe.SystemPrompts[index / 4 % StarterRecipe.SystemPrompts.Count];
            messages = [new ChatMessage { Role = "system", Content = prompt }, .. messages];
        }

        return renderer.Render(messages).Ids;
    }

    private void Train(
        Transformer model, TransformerParameters parameters, Tokenizer tokenizer, List<TokenStream> streams, CancellationToken cancellationToken)
    {
        var steps = (int)(options.Tokens / StarterRecipe.BatchTokens);
        var schedule = new LearningRateSchedule
        {
            Peak = StarterRecipe.PeakLearningRate,
            Floor = StarterRecipe.PeakLearningRate * 0.02,
            Steps = steps,
            WarmupSteps = Math.Max(1, (int)(steps * StarterRecipe.WarmupShare)),
        };
        var mixture = new TokenMixture(streams, options.Seed);
        using var optimizer = new AdamW(
            parameters.All, new AdamWSettings { Beta2 = 0.95f, WeightDecay = 0.1f, MaxGradientNorm = 1 }, model.Compute);
        using var pass = new TrainingPass(model);
        var first = Resume(parameters, optimizer, mixture);
        model.Refresh(parameters);
        var (lossSum, lossCount, windowStart) = (0.0, 0L, clock.GetTimestamp());
        for (var step = first; step < steps; step++)
        {
            cancellationToken.ThrowIfCancellationRequested();
            var longest = step < steps * StarterRecipe.ShortPieceShare ? StarterRecipe.ShortPiece : StarterRecipe.LongPiece;
            var batch = mixture.Next(StarterRecipe.BatchTokens, longest);
            var targets = batch.Labels.Count(label => label >= 0);
            var loss = pass.Run(batch, 1f / targets, adapter: null, full: parameters);
            if (!double.IsFinite(loss))
            {
                throw new InvalidOperationException($"The loss is not finite at step {step}: lower the learning rate; the last checkpoint is kept.");
            }

            var norm = optimizer.Step(schedule.At(step));
            model.Refresh(parameters);
            lossSum += loss;
            lossCount += targets;
            if ((step + 1) % StepsPerPoint == 0 || step + 1 == steps)
            {
                var seconds = clock.GetElapsedTime(windowStart).TotalSeconds;
                var rate = ((step % StepsPerPoint) + 1) * StarterRecipe.BatchTokens / seconds;
                double? bits = (step + 1) % StepsPerValidation == 0 || step + 1 == steps ? Validate(pass, tokenizer, ValidationDocuments) : null;
                var point = new LossPoint(
                    step + 1, (step + 1L) * StarterRecipe.BatchTokens, lossSum / lossCount, schedule.At(step), norm, rate, bits);
                File.AppendAllText(CurveFile, JsonSerializer.Serialize(point, TrainingJson.Default.LossPoint) + "\n");
                progress.Report(new PretrainProgress("training", step + 1, steps, string.Create(
                    CultureInfo.InvariantCulture, $"loss {point.Loss:F3}, {rate:F0} tokens/s{(bits is { } b ? $", {b:F3} bits/byte" : "")}")));
                (lossSum, lossCount, windowStart) = (0, 0, clock.GetTimestamp());
            }

            if ((step + 1) % StepsPerCheckpoint == 0)
            {
                SaveCheckpoint(step + 1, parameters, optimizer, mixture);
            }
        }
    }

    private double Validate(TrainingPass pass, Tokenizer tokenizer, int documents)
    {
        var texts = Corpus.Read(Path.Combine(options.Corpora, "books-validation.jsonl.gz")).Take(documents).Select(document => document.Text!);
        var start = tokenizer.TokenToId(StarterRecipe.EndOfText)!.Value;
        return BitsPerByte.Measure(pass, tokenizer, start, StarterRecipe.Config.ContextLength, texts);
    }

    private int Resume(TransformerParameters parameters, AdamW optimizer, TokenMixture mixture)
    {
        if (!File.Exists(CheckpointFile))
        {
            File.Delete(CurveFile);
            return 0;
        }

        using var reader = new BinaryReader(File.OpenRead(CheckpointFile));
        var step = reader.ReadInt32();
        if (reader.ReadInt64() != options.Tokens || reader.ReadInt32() != options.Seed)
        {
            throw new InvalidOperationException(
                $"'{CheckpointFile}' belongs to a run with other --tokens or --seed: repeat those values, or delete the file to start anew.");
        }

        foreach (var parameter in parameters.All)
        {
            reader.BaseStream.ReadExactly(MemoryMarshal.AsBytes(parameter.Value.Span));
        }

        optimizer.Load(reader);
        mixture.Load(reader);
        var kept = File.ReadLines(CurveFile)
            .Where(line => JsonSerializer.Deserialize(line, TrainingJson.Default.LossPoint)!.Step <= step).ToList();
        File.WriteAllLines(CurveFile, kept);
        return step;
    }

    private void SaveCheckpoint(int step, TransformerParameters parameters, AdamW optimizer, TokenMixture mixture) =>
        DurableFile.Write(CheckpointFile, stream =>
        {
            using var writer = new BinaryWriter(stream, Encoding.UTF8, leaveOpen: true);
            writer.Write(step);
            writer.Write(options.Tokens);
            writer.Write(options.Seed);
            foreach (var parameter in parameters.All)
            {
                writer.Write(MemoryMarshal.AsBytes(parameter.Value.Span));
            }

            optimizer.Save(writer);
            mixture.Save(writer);
        });

    private static string StreamOf(CorpusDocument document) =>
        document.Text is not null ? "books" : document.Source[..document.Source.IndexOf('/', StringComparison.Ordinal)];
}
