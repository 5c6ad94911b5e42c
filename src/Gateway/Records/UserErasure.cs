using System.Text.Json;
using Gateway.Domain.Interactions;
using Gateway.Domain.Jobs;
using Gateway.Domain.Storage;
using Gateway.FrontDoor;
using Gateway.Jobs;
using Gateway.Responses;
using Gateway.Security;
using Gateway.Storage;
using Gateway.Training;
using Gateway.Training.Data;

namespace Gateway.Records;

/// <summary>Removes an end user's content from the records and from the folders of finished training runs. Thread-safe.</summary>
internal sealed class UserErasure(
    IInteractionLog log, InteractionRecorder recorder, RecordErasure erasure, StoredResponses responses, TrainingJobs jobs, ControlPlane control,
    TimeProvider clock)
{
    private const int BatchSize = 500;
    private static readonly string[] RowFiles = ["rows.jsonl", "dataset.jsonl"];

    /// <summary>
    /// 1 replies that have ended are on record, and what other gateways still have on their way is refused from here on; 2 the
    /// interactions are found, and with a response the whole conversation, whose later turns repeat it; 3 the training jobs that used
    /// them are named and finished ones lose the rows; 4 interactions and feedback are erased, and turns that are not on record
    /// are refused, too; 5 the store's disk is cleaned; 6 the report is kept with an audit entry. A call that was cut short is simply repeated. Null when there is nothing of the user.
    /// </summary>
    public async Task<ErasureReport?> EraseAsync(string user, string actor, CancellationToken cancellationToken)
    {
        // 1 Settle.
        await recorder.FlushAsync(cancellationToken);
        var now = clock.GetUtcNow();
        await erasure.ForgetAsync(user, now, [], cancellationToken);

        // 2 Find.
        var found = new List<Interaction>();
        for (long? before = null; ;)
        {
            var page = await log.ListAsync(new InteractionQuery { User = user, Before = before, Limit = BatchSize }, cancellationToken);
            found.AddRange(page.Select(logged => logged.Interaction));
            if (page.Count < BatchSize)
            {
                break;
            }

            before = page[^1].Sequence;
        }

        if (found.Count == 0)
        {
            return null;
        }

        var turns = await AddConversationsAsync(found, cancellationToken);

        // 3 Lineage.
        var ids = found.Select(interaction => interaction.Id).Concat(turns).ToHashSet(StringComparer.Ordinal);
        var touched = new List<TouchedJob>();
        await foreach (var (job, _) in jobs.ListAsync(cancellationToken))
        {
            if (StripRows(job, user, ids) is > 0 and var rows)
            {
                touched.Add(new(job.Id, JsonNamingPolicy.SnakeCaseLower.ConvertName(job.Status.ToString()), rows, job.Generation));
            }
        }

        // 4 Erase.
        var (interactions, feedback) = (0, 0);
        foreach (var batch in found.Chunk(BatchSize))
        {
            var done = await erasure.EraseAsync(batch, cancellationToken);
            interactions += done.Interactions;
            feedback += done.Feedback;
        }

        foreach (var turn in turns)
        {
            feedback += await erasure.EraseAboutAsync(turn, cancellationToken);
        }

        await erasure.ForgetAsync(user, now, turns, cancellationToken);

        // 5 Clean.
        await erasure.CompactAsync(cancellationToken);

        // 6 Report.
        var adapters = touched.Select(job => job.Generation).OfType<string>().Distinct(StringComparer.Ordinal).ToList();
        var report = new ErasureReport($"erase_{Guid.NewGuid():N}", "user.erasure", clock.GetUtcNow(), interactions, feedback, adapters, touched);
        var write = new DocumentWrite(
            Collections.Erasures, report.Id, ExpectedVersion: 0, JsonSerializer.SerializeToUtf8Bytes(report, RecordsJson.Default.ErasureReport));
        return await control.ApplyAsync(
            actor, "user.erase", report.Id, $"{interactions} interactions; adapters trained on them: {(adapters.Count == 0 ? "none" : string.Join(", ", adapters))}",
            _ => Task.FromResult(new ControlDecision<ErasureReport>([write], report)), cancellationToken);
    }

    /// <summary>Adds the other turns of the user's conversations that are on record; returns the ids of all other turns.</summary>
    private async Task<List<string>> AddConversationsAsync(List<Interaction> found, CancellationToken cancellationToken)
    {
        var turns = new List<string>();
        var known = found.Select(interaction => interaction.Id).ToHashSet(StringComparer.Ordinal);
        foreach (var id in known.Where(id => id.StartsWith(ResponseIdSigner.Response, StringComparison.Ordinal)).ToList())
        {
            foreach (var turn in await responses.TreeAsync(id, cancellationToken))
            {
                if (!known.Add(turn))
                {
                    continue;
                }

                turns.Add(turn);
                if (await log.GetAsync(turn, cancellationToken) is { } interaction)
                {
                    found.Add(interaction);
                }
            }
        }

        return turns;
    }

    /// <summary>Rows of the user in a run folder on this machine; those of a finished run are removed from its files.</summary>
    private int StripRows(TrainingJob job, string user, HashSet<string> ids)
    {
        var most = 0;
        foreach (var file in RowFiles.Select(name => Path.Combine(jobs.FolderOf(job), name)).Where(File.Exists))
        {
            var rows = RunFolder.ReadRows(file, TrainingJson.Default.ExampleRow).ToList();
            var kept = rows.FindAll(row => row.User != user && (row.InteractionId is null || !ids.Contains(row.InteractionId)));
            most = Math.Max(most, rows.Count - kept.Count);
            if (kept.Count < rows.Count && job.Status is not (TrainingJobStatus.Queued or TrainingJobStatus.Running))
            {
                RunFolder.WriteRows(file, kept, TrainingJson.Default.ExampleRow);
            }
        }

        return most;
    }
}
