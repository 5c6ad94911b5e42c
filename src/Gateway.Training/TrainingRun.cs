using Gateway.Domain.Contracts;
using Gateway.Domain.Interactions;
using Gateway.Model.Lora;
using Gateway.Model.Network;
using Gateway.Model.Numerics;
using Gateway.Model.Weights;
using Gateway.Training.Data;
using Gateway.Training.Evaluation;
using Gateway.Training.Sft;

namespace Gateway.Training;

/// <summary>Manifest of the encode stage; replay rows and tokens are those of one epoch.</summary>
public sealed record EncodeManifest(int Train, int Validation, int Test, int Replay, long TrainTokens, long ReplayTokens, IReadOnlyDictionary<string, int> Dropped);

/// <summary>Manifest of the train stage.</summary>
public sealed record TrainManifest(string Generation, SftResult Result, double LearningRate);

/// <summary>
/// One training run, stage by stage (Road 2 of docs/architecture.md; the host has already written the snapshot):
/// <list type="number">
/// <item>Curate: snapshot rows → <c>dataset.jsonl</c>, counts by reason;</item>
/// <item>Replay: the frozen base answers the general prompts, adapter off, seeded → <c>replay.jsonl</c>;</item>
/// <item>Train: the rows rendered to ids and masks, LoRA SFT with checkpoints → <c>adapter/</c>;</item>
/// <item>Evaluate: candidate against stable on the frozen test rows, paired, and the loss on held-out replies → <c>report.json</c>;</item>
/// <item>Gate: a pure decision → <c>verdict.json</c>.</item>
/// </list>
/// Each stage writes its manifest last; a rerun skips finished stages, so a kill at any point costs at most the work since the
/// last checkpoint and never changes the result.
/// </summary>
public sealed class TrainingRun(RunFolder folder, TimeProvider clock, IProgress<RunProgress> progress)
{
    /// <summary>Share of the general prompts that is kept for the forgetting measure and never trained on.</summary>
    private const double ReplayHeldOutShare = 0.3;

    /// <summary>Replies drawn for every general prompt, each with a seed of its own.</summary>
    private const int RepliesPerPrompt = 4;

    /// <summary>Longest self-generated reply in tokens.</summary>
    private const int ReplyTokens = 48;

    /// <summary>Runs every unfinished stage.</summary>
    /// <exception cref="RunRefusedException">The data or the base model cannot serve; the message says what to do.</exception>
    /// <exception cref="TrainingAbortedException">A watchdog stopped the training.</exception>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        var request = folder.Read("request", TrainingJson.Default.RunRequest)
            ?? throw new RunRefusedException($"'{folder.Path}' holds no request.json; start the run through the host.");
        using var compute = new Compute(request.Threads);
        using var model = Transformer.Load(request.ModelDirectory, compute);
        if (model.Fingerprint != request.BaseFingerprint)
        {
            throw new RunRefusedException(
                $"the base model in '{request.ModelDirectory}' has fingerprint {model.Fingerprint[..12]}, the run needs {request.BaseFingerprint[..12]}: restore that model or start a new run.");
        }

        var renderer = new ConversationRenderer(request.ModelDirectory, request.Contract?.Content.ChatTemplate, request.CreatedAt);
        var rows = Curate(request);
        var replay = await ReplayAsync(request, model, renderer, cancellationToken);
        Train(request, model, compute, renderer, rows, replay, cancellationToken);
        await EvaluateAsync(request, model, renderer, rows, replay, cancellationToken);
        Gate(request);
    }

    // 1 Curate
    private IReadOnlyList<ExampleRow> Curate(RunRequest request)
    {
        var dataset = folder.File("dataset.jsonl");
        if (folder.Read("curate", TrainingJson.Default.DatasetManifest) is null)
        {
            var snapshot = RunFolder.ReadRows(folder.File("rows.jsonl"), TrainingJson.Default.ExampleRow).ToList();
            progress.Report(new RunProgress("curate", 0, snapshot.Count));
            var curated = Curator.Curate(snapshot, request.Contract);
            var usable = curated.Manifest.Train + curated.Manifest.Validation;
            if (usable < request.Settings.MinimumRows)
            {
                var reasons = string.Join(", ", curated.Manifest.Dropped.Select(entry => $"{entry.Value} {entry.Key}"));
                throw new RunRefusedException(
                    $"{usable} training rows are left of {snapshot.Count} ({(reasons.Length > 0 ? reasons : "the rest is held out")}); at least {request.Settings.MinimumRows} are needed: collect more corrections.");
            }

            RunFolder.WriteRows(dataset, curated.Rows, TrainingJson.Default.ExampleRow);
            folder.Write("curate", curated.Manifest, TrainingJson.Default.DatasetManifest);
            progress.Report(new RunProgress("curate", snapshot.Count, snapshot.Count, $"{curated.Manifest.Train} train, {curated.Manifest.Test} test"));
        }

        return [.. RunFolder.ReadRows(dataset, TrainingJson.Default.ExampleRow)];
    }

    // 2 Replay
    private async Task<IReadOnlyList<ExampleRow>> ReplayAsync(
        RunRequest request, Transformer model, ConversationRenderer renderer, CancellationToken cancellationToken)
    {
        var file = folder.File("replay.jsonl");
        if (!File.Exists(file))
        {
            var prompts = RunFolder.ReadRows(folder.File("general-prompts.jsonl"), TrainingJson.Default.GeneralPrompt).ToList();
            var messages = prompts.Select(prompt => (IReadOnlyList<ChatMessage>)[new ChatMessage { Role = "user", Content = prompt.Prompt }]).ToList();
            using var generator = new ReplyGenerator(model, renderer);
            var replies = await generator.GenerateAsync(
                [.. Enumerable.Repeat(messages, RepliesPerPrompt).SelectMany(copy => copy)],
                adapterFolder: null,
                new ReplySettings { MaxTokens = ReplyTokens, Temperature = 0.8f, TopP = 0.95f, Seed = request.Seed },
                (done, total) => progress.Report(new RunProgress("replay", done, total)),
                cancellationToken);
            RunFolder.WriteRows(
                file,
                replies.Select((reply, i) => new ExampleRow
                {
                    Id = $"replay-{i}",
                    Messages = messages[i % prompts.Count],
                    Target = reply.Text,
                    Weight = 1,
                    Kind = ExampleKind.Replay,
                    Split = i % prompts.Count < prompts.Count * ReplayHeldOutShare ? ExampleSplit.Test : ExampleSplit.Train,
                }).Where(row => !string.IsNullOrWhiteSpace(row.Target)),
                TrainingJson.Default.ExampleRow);
        }

        return [.. RunFolder.ReadRows(file, TrainingJson.Default.ExampleRow)];
    }

    // 3 Train
    private void Train(
        RunRequest request,
        Transformer model,
        Compute compute,
        ConversationRenderer renderer,
        IReadOnlyList<ExampleRow> rows,
        IReadOnlyList<ExampleRow> replay,
        CancellationToken cancellationToken)
    {
        if (folder.Read("train", TrainingJson.Default.TrainManifest) is not null)
        {
            return;
        }

        var encoder = new RowEncoder(renderer, request.Contract, model.Config.ContextLength);
        var train = encoder.Encode(rows.Where(row => row.Split == ExampleSplit.Train));
        var validation = encoder.Encode(rows.Where(row => row.Split == ExampleSplit.Validation));
        var taskTokens = train.Sum(example => (long)example.Ids.Length);
        var mixture = new ReplayMixture(
            encoder.Encode(replay.Where(row => row.Split == ExampleSplit.Train)), taskTokens, request.Settings.ReplayShare);
        folder.Write(
            "encode",
            new EncodeManifest(
                train.Count,
                validation.Count,
                rows.Count(row => row.Split == ExampleSplit.Test),
                mixture.RowsPerEpoch,
                taskTokens,
                mixture.Epoch(0).Sum(example => (long)example.Ids.Length),
                encoder.Dropped),
            TrainingJson.Default.EncodeManifest);
        if (train.Count == 0 || validation.Count == 0)
        {
            throw new RunRefusedException(
                $"{train.Count} training and {validation.Count} validation rows fit the context of {model.Config.ContextLength} tokens; both must be at least 1: shorten the contract's prompt or collect more rows.");
        }

        var learningRate = request.Settings.LearningRateFor(model.Config.ParameterCount);
        using var adapter = LoraParameters.Create(LoraSpec.Create(request.Settings.Rank, request.Settings.Alpha, Projections.All), model.Config, (ulong)request.Seed);
        using var pass = new TrainingPass(model);
        var trainer = new SftTrainer(request.Settings, request.Seed, learningRate, clock)
        {
            OnStep = (done, total, loss) => progress.Report(new RunProgress("train", done, total, FormattableString.Invariant($"loss {loss:F3}"))),
        };
        var result = trainer.Train(
            pass, adapter, compute, train, mixture, validation, folder.File("train.checkpoint"), cancellationToken);
        adapter.Save(folder.File("adapter"), SavedType.F32);
        using var saved = PeftFile.Load(folder.File("adapter"), model.Config, new AdapterLimits());
        folder.Write("train", new TrainManifest(saved.Generation, result, learningRate), TrainingJson.Default.TrainManifest);
        progress.Report(new RunProgress(
            "train", 1, 1, FormattableString.Invariant($"best epoch {result.BestEpoch}, validation loss {result.BestValidationLoss:F3}")));
    }

    // 4 Evaluate
    private async Task EvaluateAsync(
        RunRequest request,
        Transformer model,
        ConversationRenderer renderer,
        IReadOnlyList<ExampleRow> rows,
        IReadOnlyList<ExampleRow> replay,
        CancellationToken cancellationToken)
    {
        if (folder.Read("report", TrainingJson.Default.EvaluationReport) is not null)
        {
            return;
        }

        var evaluation = new PairedEvaluation(model, renderer, request.Contract);
        var report = await evaluation.RunAsync(
            [.. rows.Where(row => row.Split == ExampleSplit.Test)],
            [.. replay.Where(row => row.Split == ExampleSplit.Test)],
            Directory.Exists(folder.File("stable")) ? folder.File("stable") : null,
            folder.File("adapter"),
            (done, total) => progress.Report(new RunProgress("evaluate", done, total)),
            cancellationToken);
        folder.Write("report", report, TrainingJson.Default.EvaluationReport);
    }

    // 5 Gate
    private void Gate(RunRequest request)
    {
        if (folder.Read("verdict", TrainingJson.Default.GateVerdict) is not null)
        {
            return;
        }

        var report = folder.Read("report", TrainingJson.Default.EvaluationReport)!;
        var verdict = PromotionGate.Decide(report, request.Settings.MaxForgetting);
        folder.Write("verdict", verdict, TrainingJson.Default.GateVerdict);
        progress.Report(new RunProgress("gate", 1, 1, verdict.Passed ? "passed" : "failed"));
    }
}
