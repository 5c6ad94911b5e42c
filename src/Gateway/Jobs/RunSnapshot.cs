using Gateway.Api;
using Gateway.Domain.Interactions;
using Gateway.Domain.Jobs;
using Gateway.Domain.NearDuplicates;
using Gateway.Domain.Storage;
using Gateway.Hosting;
using Gateway.Model.Weights;
using Gateway.Training;
using Gateway.Training.Data;

namespace Gateway.Jobs;

/// <summary>Writes what a training run needs into its folder. Thread-safe for different jobs.</summary>
public sealed class RunSnapshot(
    IInteractionLog log, FeedbackStore feedback, FrozenTests tests, ReleaseBuilder releases, ContractReader contracts, DataFolder data,
    TrainingJobs jobs, LearningOptions options, TimeProvider clock)
{
    /// <summary>
    /// The snapshot of a job: 1 rows, all usable ones of the deployment so far or those an operator brought with the frozen
    /// test rows; 2 the general prompts; 3 the stable release's adapter; 4 request.json, last, so that a folder with it is
    /// whole and a restart leaves it as it is. Returns the rows by kind.
    /// </summary>
    internal async Task<IReadOnlyDictionary<string, int>> WriteAsync(
        TrainingJob job, IReadOnlyList<LedgerRow> usable, CancellationToken cancellationToken)
    {
        var folder = jobs.FolderOf(job);
        if (File.Exists(Path.Combine(folder, "request.json")))
        {
            return job.Counts;
        }

        // 1 Rows.
        Directory.CreateDirectory(folder);
        var (rows, excluded) = await RowsAsync(job, usable, cancellationToken);
        if (job.UploadedRows is not null)
        {
            var uploaded = RunFolder.ReadRows(Path.Combine(folder, TrainingJobs.UploadedRows), TrainingJson.Default.ExampleRow);
            rows = [.. uploaded, .. rows.Where(row => row.Split == ExampleSplit.Test)];
        }

        RunFolder.WriteRows(Path.Combine(folder, "rows.jsonl"), rows, TrainingJson.Default.ExampleRow);

        // 2 Prompts.
        var prompts = await File.ReadAllBytesAsync(options.GeneralPrompts, cancellationToken);
        DurableFile.Write(Path.Combine(folder, "general-prompts.jsonl"), stream => stream.Write(prompts));

        // 3 Stable adapter.
        var stable = await releases.FindAsync(job.StableReleaseId, cancellationToken)
            ?? throw new InvalidDataException($"The release '{job.StableReleaseId}' is not in the store; restore it or delete the job.");
        if (stable.Generation is { } generation)
        {
            CopyFolder(data.AdapterPath(generation), Path.Combine(folder, "stable"));
        }

        // 4 Request.
        var request = new RunRequest
        {
            JobId = job.Id,
            Deployment = job.Deployment,
            ModelDirectory = Path.GetFullPath(options.ModelDirectory),
            BaseFingerprint = stable.BaseFingerprint,
            Contract = await contracts.OfAsync(stable, cancellationToken),
            Settings = options.Training,
            Threads = options.Threads,
            CreatedAt = clock.GetUtcNow(),
        };
        RunFolder.WriteManifest(folder, "request", request, TrainingJson.Default.RunRequest);
        return await CountAsync(job.Deployment, rows, excluded, cancellationToken);
    }

    private async Task<(IReadOnlyList<ExampleRow> Rows, int Excluded)> RowsAsync(TrainingJob job, IReadOnlyList<LedgerRow> usable, CancellationToken cancellationToken)
    {
        var rows = new List<ExampleRow>();
        foreach (var known in usable)
        {
            // Feedback may have been retracted since the ledger looked.
            if (await log.GetAsync(known.InteractionId, cancellationToken) is not { } interaction
                || TargetPolicy.Decide(interaction, await feedback.ListAsync(interaction.Id, cancellationToken)) is not { Usable: true } target)
            {
                continue;
            }

            rows.Add(new ExampleRow
            {
                Id = target.FeedbackId!,
                Messages = interaction.Messages,
                Target = target.Text!,
                Weight = target.Weight,
                Kind = target.Kind == TargetKind.Correction ? ExampleKind.Correction : ExampleKind.ThumbsUp,
                Split = ExampleSplit.Train,
                InteractionId = interaction.Id,
                User = interaction.User,
                OptOut = interaction.OptOut,
            });
        }

        // Only corrections are evidence enough to be judged by; curation drops likes that resemble a test row.
        var corrections = rows.FindAll(row => row.Kind == ExampleKind.Correction);
        var parts = await tests.AssignAsync(job.Deployment, [.. corrections.Select(Curator.PromptText)], cancellationToken);
        var partOf = corrections.Select((row, i) => (row.Id, Part: parts[i])).ToDictionary(entry => entry.Id, entry => entry.Part, StringComparer.Ordinal);
        List<ExampleRow> kept =
        [
            .. from row in rows
               let part = partOf.GetValueOrDefault(row.Id, SplitPart.Train)
               where part != SplitPart.Excluded
               select row with { Split = part == SplitPart.Test ? ExampleSplit.Test : ExampleSplit.Train },
        ];
        return (kept, rows.Count - kept.Count);
    }

    private async Task<IReadOnlyDictionary<string, int>> CountAsync(
        string deployment, IReadOnlyList<ExampleRow> rows, int excluded, CancellationToken cancellationToken)
    {
        var noTarget = 0;
        await foreach (var _ in ReviewQueue.ReadAsync(log, feedback, deployment, before: null, cancellationToken))
        {
            noTarget++;
        }

        return new SortedDictionary<string, int>(StringComparer.Ordinal)
        {
            ["correction"] = rows.Count(row => row.Kind == ExampleKind.Correction),
            ["thumbs_up"] = rows.Count(row => row.Kind == ExampleKind.ThumbsUp),
            ["test"] = rows.Count(row => row.Split == ExampleSplit.Test),
            ["resembles_both_parts"] = excluded,
            ["no_target"] = noTarget,
        };
    }

    private static void CopyFolder(string source, string target)
    {
        Directory.CreateDirectory(target);
        foreach (var file in Directory.EnumerateFiles(source))
        {
            DurableFile.Write(Path.Combine(target, Path.GetFileName(file)), stream =>
            {
                using var from = File.OpenRead(file);
                from.CopyTo(stream);
            });
        }
    }
}
