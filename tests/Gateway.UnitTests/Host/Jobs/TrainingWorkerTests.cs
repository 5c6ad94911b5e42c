using System.Text.Json;
using Gateway.Domain.Interactions;
using Gateway.Domain.Jobs;
using Gateway.Domain.Json;
using Gateway.Domain.Storage;
using Gateway.Jobs;
using Gateway.Training;
using Gateway.Training.Data;
using Xunit;

namespace Gateway.UnitTests.Host.Jobs;

public sealed class TrainingWorkerTests : IAsyncDisposable
{
    private readonly LearningFixture _loop = new();

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public ValueTask DisposeAsync() => _loop.DisposeAsync();

    [Fact]
    public async Task Few_corrections_start_nothing()
    {
        await _loop.CreateDeploymentAsync();
        await _loop.CorrectAsync(49);
        await _loop.WorkAsync();
        Assert.Empty(await _loop.JobsAsync());
    }

    [Fact]
    public async Task Enough_corrections_start_one_job_with_every_usable_row_in_its_folder()
    {
        await _loop.CreateDeploymentAsync();
        await _loop.CorrectAsync(60);
        var liked = await _loop.ChatAsync(LearningFixture.Message(100));
        await _loop.SayAsync(liked, FeedbackKind.Thumbs, thumbs: true);
        var retracted = await _loop.ChatAsync(LearningFixture.Message(101));
        await _loop.Feedback.RetractAsync(await _loop.SayAsync(retracted, FeedbackKind.Correction, "no"), Token);
        await _loop.ChatAsync(LearningFixture.Message(102), i => i with { Flags = [new Flag(FlagKind.Empty, "empty")] });
        await _loop.Store.FlushAsync(Token);

        await _loop.WorkAsync();

        var job = Assert.Single(await _loop.JobsAsync());
        var rows = _loop.RowsOf(job);
        Assert.Equal(61, rows.Count);
        Assert.Equal(60, rows.Count(row => row is { Kind: ExampleKind.Correction, Weight: 1 }));
        Assert.Equal((liked, 0.5, "reply"), rows.Where(row => row.Kind == ExampleKind.ThumbsUp).Select(row => (row.InteractionId, row.Weight, row.Target)).Single());
        Assert.InRange(rows.Count(row => row.Split == ExampleSplit.Test), 3, 30);
        Assert.Equal(1, job.Counts["no_target"]);
        var request = RunFolder.ReadManifest(_loop.Jobs.FolderOf(job), "request", TrainingJson.Default.RunRequest)!;
        Assert.Equal((job.Id, "triage", "Sort the message."), (request.JobId, request.Deployment, request.Contract!.Content.SystemPrompt));
        Assert.True(File.Exists(Path.Combine(_loop.Jobs.FolderOf(job), "general-prompts.jsonl")));
        Assert.False(Directory.Exists(Path.Combine(_loop.Jobs.FolderOf(job), "stable")));
    }

    [Fact]
    public async Task Feedback_that_comes_while_the_service_runs_is_noticed()
    {
        await _loop.CreateDeploymentAsync();
        await using var changes = _loop.Store.WatchAsync(Token).GetAsyncEnumerator(Token);
        await _loop.Worker.StartAsync(Token);
        await _loop.CorrectAsync(60);
        _loop.Clock.Advance(TimeSpan.FromSeconds(30));
        while (await _loop.JobsAsync() is not [{ RolloutId: not null }])
        {
            Assert.True(await changes.MoveNextAsync());
        }

        await _loop.Worker.StopAsync(Token);
    }

    [Fact]
    public async Task A_passed_gate_registers_the_adapter_and_starts_its_rollout()
    {
        await _loop.CreateDeploymentAsync();
        await _loop.CorrectAsync(60);
        await _loop.WorkAsync();

        var job = Assert.Single(await _loop.JobsAsync());
        Assert.Equal((TrainingJobStatus.Succeeded, TrainingJobs.Passed), (job.Status, job.Verdict));
        Assert.Equal((0.5, 12), (job.Figures["accuracy_gain"].Value, job.Figures["accuracy_gain"].N));
        Assert.DoesNotContain("forgetting", job.Figures.Keys);
        Assert.Equal("train", job.Progress!.Stage);
        var adapter = (await _loop.Adapters.FindAsync(job.Generation!, Token))!;
        Assert.Equal((job.Id, false), (adapter.RunId, adapter.Unbound));
        using var manifest = JsonDocument.Parse(await File.ReadAllBytesAsync(Path.Combine(_loop.Data.AdapterPath(job.Generation!), "manifest.json"), Token));
        Assert.Equal("digest", manifest.RootElement.GetProperty("dataset_digest").GetString());
        Assert.Equal([job.Generation!], _loop.Traffic.Prepared);
        var deployment = await _loop.DeploymentAsync();
        Assert.Equal(job.RolloutId, deployment.RolloutId);
        var (rollout, _) = (await _loop.Rollouts.FindAsync(deployment.RolloutId!, Token))!.Value;
        Assert.Equal((job.CandidateReleaseId, deployment.ReleaseId), (rollout.CandidateReleaseId, rollout.ControlReleaseId));
        Assert.Equal(
            ["job.create", "adapter.register", "job.succeeded", "rollout.start"], (await _loop.AuditAsync()).Select(entry => entry.Action));
    }

    [Fact]
    public async Task A_failed_gate_registers_the_adapter_and_starts_nothing()
    {
        _loop.Launcher.Passes = false;
        await _loop.CreateDeploymentAsync();
        await _loop.CorrectAsync(60);
        await _loop.WorkAsync();

        var job = Assert.Single(await _loop.JobsAsync());
        Assert.Equal((TrainingJobStatus.Rejected, TrainingJobs.Refused), (job.Status, job.Verdict));
        Assert.Contains("0.50 against 0.10", Assert.Single(job.Reasons), StringComparison.Ordinal);
        Assert.NotNull(await _loop.Adapters.FindAsync(job.Generation!, Token));
        Assert.Null((await _loop.DeploymentAsync()).RolloutId);
    }

    [Fact]
    public async Task The_next_job_waits_for_new_rows_and_for_the_cool_down()
    {
        _loop.Launcher.Passes = false;
        await _loop.CreateDeploymentAsync();
        await _loop.CorrectAsync(60);
        await _loop.WorkAsync();
        _loop.Clock.Advance(TimeSpan.FromHours(2));
        await _loop.WorkAsync();
        Assert.Single(await _loop.JobsAsync());

        await _loop.CorrectAsync(60, from: 60);
        _loop.Restart();
        await _loop.WorkAsync();
        Assert.Equal(2, (await _loop.JobsAsync()).Count);

        await _loop.CorrectAsync(60, from: 120);
        _loop.Restart();
        await _loop.WorkAsync();
        Assert.Equal(2, (await _loop.JobsAsync()).Count);
    }

    [Fact]
    public async Task A_prompt_keeps_its_part_in_every_later_snapshot()
    {
        _loop.Launcher.Passes = false;
        await _loop.CreateDeploymentAsync();
        await _loop.CorrectAsync(60);
        await _loop.WorkAsync();
        _loop.Clock.Advance(TimeSpan.FromHours(2));
        await _loop.CorrectAsync(60, from: 60);

        // The same words again, corrected once more, follow their cluster.
        var again = await _loop.ChatAsync(LearningFixture.Message(0).ToUpperInvariant());
        await _loop.SayAsync(again, FeedbackKind.Correction, "{\"intent\":\"again\"}");
        await _loop.Store.FlushAsync(Token);
        _loop.Restart();
        await _loop.WorkAsync();

        var jobs = await _loop.JobsAsync();
        var first = _loop.RowsOf(jobs[0]).ToDictionary(row => row.Id, StringComparer.Ordinal);
        var second = _loop.RowsOf(jobs[1]).ToDictionary(row => row.Id, StringComparer.Ordinal);
        Assert.Equal(121, second.Count);
        Assert.All(first.Values, row => Assert.Equal(row.Split, second[row.Id].Split));
        Assert.Equal(
            second.Values.Single(row => row.Messages[0].Content == LearningFixture.Message(0)).Split,
            second.Values.Single(row => row.InteractionId == again).Split);
    }

    [Fact]
    public async Task A_job_under_way_when_the_process_dies_is_resumed_in_its_folder()
    {
        await _loop.CreateDeploymentAsync();
        await _loop.CorrectAsync(60);
        using var process = new CancellationTokenSource();
        _loop.Launcher.Script.Enqueue(async (_, token) =>
        {
            await process.CancelAsync();
            token.ThrowIfCancellationRequested();
            throw new InvalidOperationException("the child outlived its host");
        });
        _loop.Clock.Advance(TimeSpan.FromSeconds(30));
        await _loop.Worker.LookAsync(process.Token);
        await _loop.Worker.LookAsync(process.Token);
        await Task.WhenAll(_loop.Worker.Running);
        var interrupted = Assert.Single(await _loop.JobsAsync());
        Assert.Equal(TrainingJobStatus.Running, interrupted.Status);
        var rows = await File.ReadAllBytesAsync(Path.Combine(_loop.Jobs.FolderOf(interrupted), "rows.jsonl"), Token);

        // Feedback that came meanwhile belongs to the next run: a snapshot is taken once.
        await _loop.CorrectAsync(5, from: 60);
        _loop.Restart();
        await _loop.WorkAsync();

        var job = Assert.Single(await _loop.JobsAsync());
        Assert.Equal(TrainingJobStatus.Succeeded, job.Status);
        Assert.Equal([_loop.Jobs.FolderOf(job), _loop.Jobs.FolderOf(job)], _loop.Launcher.Folders);
        Assert.Equal(rows, await File.ReadAllBytesAsync(Path.Combine(_loop.Jobs.FolderOf(job), "rows.jsonl"), Token));
    }

    [Fact]
    public async Task A_crash_after_registering_registers_once_and_starts_one_rollout()
    {
        await _loop.CreateDeploymentAsync();
        await _loop.CorrectAsync(60);
        await _loop.WorkAsync();
        var done = Assert.Single(await _loop.JobsAsync());

        // As if the process had died before the end of the job was stored.
        await PutAsync(done with { Status = TrainingJobStatus.Running, Generation = null, Verdict = null, EndedAt = null, RolloutId = null });
        _loop.Restart();
        await _loop.WorkAsync();

        var job = Assert.Single(await _loop.JobsAsync());
        Assert.Equal((done.Generation, TrainingJobStatus.Succeeded), (job.Generation, job.Status));
        Assert.Single(await _loop.AuditAsync(), entry => entry.Action == "adapter.register");
        Assert.Single(await _loop.AuditAsync(), entry => entry.Action == "rollout.start");
        Assert.Equal(done.RolloutId, (await _loop.DeploymentAsync()).RolloutId);
    }

    [Fact]
    public async Task A_crash_after_the_start_of_the_rollout_finds_it_again()
    {
        await _loop.CreateDeploymentAsync();
        await _loop.CorrectAsync(60);
        await _loop.WorkAsync();
        var done = Assert.Single(await _loop.JobsAsync());
        await PutAsync(done with { AwaitsRollout = true, RolloutId = null });
        _loop.Restart();
        await _loop.WorkAsync();
        Assert.Equal((done.RolloutId, false), ((await _loop.JobsAsync())[0].RolloutId, (await _loop.JobsAsync())[0].AwaitsRollout));
    }

    [Fact]
    public async Task A_candidate_waits_until_its_workers_are_ready()
    {
        await _loop.CreateDeploymentAsync();
        await _loop.CorrectAsync(60);
        _loop.Traffic.Refusal = Gateway.Api.Wire.ApiError.NoHealthyWorker();
        await _loop.WorkAsync();
        Assert.True((await _loop.JobsAsync())[0].AwaitsRollout);
        Assert.Null((await _loop.DeploymentAsync()).RolloutId);

        _loop.Traffic.Refusal = null;
        await _loop.WorkAsync();
        Assert.NotNull((await _loop.DeploymentAsync()).RolloutId);
    }

    [Fact]
    public async Task A_child_that_dies_silently_or_finds_its_folder_held_is_started_again()
    {
        await _loop.CreateDeploymentAsync();
        await _loop.CorrectAsync(60);
        _loop.Launcher.Script.Enqueue((_, _) => Task.FromResult(new TrainingExit(137, "")));
        _loop.Launcher.Script.Enqueue((_, _) => Task.FromResult(new TrainingExit(ITrainingLauncher.Held, "in use")));
        await _loop.WorkAsync();
        Assert.Equal(3, _loop.Launcher.Folders.Count);
        Assert.Equal(TrainingJobStatus.Succeeded, (await _loop.JobsAsync())[0].Status);
    }

    [Fact]
    public async Task A_child_that_keeps_dying_fails_the_job_with_its_last_words()
    {
        await _loop.CreateDeploymentAsync();
        await _loop.CorrectAsync(60);
        for (var i = 0; i < 5; i++)
        {
            _loop.Launcher.Script.Enqueue((_, _) => Task.FromResult(new TrainingExit(134, "out of memory")));
        }

        await _loop.WorkAsync();
        var job = Assert.Single(await _loop.JobsAsync());
        Assert.Equal(TrainingJobStatus.Failed, job.Status);
        Assert.Contains("out of memory", job.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_run_that_refuses_its_data_is_rejected_with_the_reason()
    {
        await _loop.CreateDeploymentAsync();
        await _loop.CorrectAsync(60);
        _loop.Launcher.Script.Enqueue((_, _) => Task.FromResult(new TrainingExit(ITrainingLauncher.Refused, "8 training rows are left of 60")));
        await _loop.WorkAsync();
        var job = Assert.Single(await _loop.JobsAsync());
        Assert.Equal((TrainingJobStatus.Rejected, "8 training rows are left of 60"), (job.Status, job.Error));
        Assert.Single(_loop.Launcher.Folders);
    }

    [Fact]
    public async Task Uploaded_rows_are_trained_on_beside_the_frozen_test_rows_only()
    {
        _loop.Launcher.Passes = false;
        var deployment = await _loop.CreateDeploymentAsync();
        await _loop.CorrectAsync(60);
        await _loop.WorkAsync();
        var frozen = _loop.RowsOf((await _loop.JobsAsync())[0]).Where(row => row.Split == ExampleSplit.Test).Select(row => row.Id).ToList();
        ExampleRow[] uploaded =
        [
            .. Enumerable.Range(0, 12).Select(i => new ExampleRow
            {
                Id = $"upload-{i:D5}",
                Messages = [new ChatMessage { Role = "user", Content = LearningFixture.Message(200 + i) }],
                Target = "x",
                Weight = 1,
                Kind = ExampleKind.Correction,
                Split = ExampleSplit.Train,
            }),
        ];

        var created = await _loop.Jobs.CreateAsync(deployment, "mine", uploaded, "operator", Token);
        var second = await _loop.Jobs.CreateAsync(deployment, "again", uploaded, "operator", Token);
        Assert.Equal((409, "job_running"), (second.Error!.Status, second.Error.Code));
        await _loop.WorkAsync();

        var job = (await _loop.JobsAsync()).Single(job => job.Id == created.Job!.Id);
        Assert.Equal(TrainingJobStatus.Rejected, job.Status);
        var rows = _loop.RowsOf(job);
        Assert.Equal(uploaded.Select(row => row.Id), rows.Where(row => row.Split == ExampleSplit.Train).Select(row => row.Id));
        Assert.Equal(frozen, rows.Where(row => row.Split == ExampleSplit.Test).Select(row => row.Id));
        Assert.Contains(await _loop.AuditAsync(), entry => entry is { Action: "job.create", Actor: "operator" });
    }

    [Fact]
    public async Task Flagged_replies_without_a_correction_wait_for_review()
    {
        await _loop.CreateDeploymentAsync();
        var waits = await _loop.ChatAsync("one", i => i with { Flags = [new Flag(FlagKind.SchemaViolation, "not JSON")] });
        var corrected = await _loop.ChatAsync("two", i => i with { Flags = [new Flag(FlagKind.SchemaViolation, "not JSON")] });
        await _loop.SayAsync(corrected, FeedbackKind.Correction, "{}");
        await _loop.ChatAsync("three");
        await _loop.Store.FlushAsync(Token);
        var review = await ReviewQueue.ReadAsync(_loop.Store, _loop.Feedback, LearningFixture.Triage, before: null, Token).ToListAsync(Token);
        Assert.Equal(waits, Assert.Single(review).Interaction.Id);
    }

    private async Task PutAsync(TrainingJob job) =>
        await _loop.Store.CommitAsync([StoredDocuments.Write(Collections.Jobs, job.Id, job, DomainJson.Default.TrainingJob, null)], Token);
}
