using Gateway.Api;
using Gateway.Api.Wire;
using Gateway.Domain.Jobs;
using Gateway.Domain.Storage;
using Gateway.Hosting;
using Gateway.Training;
using Gateway.Training.Data;
using Gateway.Training.Evaluation;

namespace Gateway.Jobs;

/// <summary>Takes one training job from its snapshot to its end; every step may be repeated after a crash. Thread-safe for different jobs.</summary>
public sealed partial class JobRunner(
    TrainingJobs jobs, RunSnapshot snapshot, ITrainingLauncher launcher, AdapterRegistry adapters, ReleaseBuilder releases, ContractReader contracts,
    RolloutStarter rollouts, RolloutStore store, LearningOptions options, TimeProvider clock, ILogger<JobRunner> logger)
{
    /// <summary>The name in the audit trail.</summary>
    public const string Actor = "training-worker";

    // A child that dies without a word may have been killed; it resumes where it was, but not for ever.
    private const int Attempts = 5;

    /// <summary>
    /// Runs a job whose lease the caller holds: 1 snapshot; 2 the child process, again while it dies silently or another one
    /// holds the folder; 3 register adapter and release; 4 end the job with the gate's verdict; 5 start the rollout of a
    /// candidate that passed. Cancellation leaves the job as it is, to be resumed.
    /// </summary>
    /// <param name="job">The job as stored.</param>
    /// <param name="usable">The usable rows of its deployment.</param>
    /// <param name="cancellationToken">Host stop or a lost lease.</param>
    internal async Task RunAsync(Stored<TrainingJob> job, IReadOnlyList<LedgerRow> usable, CancellationToken cancellationToken)
    {
        var record = new JobRecord(jobs, job, options.ProgressInterval, clock);
        try
        {
            // 1 Snapshot.
            var counts = await snapshot.WriteAsync(record.Job, usable, cancellationToken);
            await record.SaveAsync(
                record.Job with { Status = TrainingJobStatus.Running, StartedAt = clock.GetUtcNow(), Counts = counts }, cancellationToken);

            // 2 Train.
            if (await TrainAsync(record, cancellationToken) is { } failure)
            {
                await record.EndAsync(record.Job with { Status = failure.Status, Error = failure.Error }, [], cancellationToken);
                LogFailed(record.Job.Id, failure.Error);
                return;
            }

            // 3 Register.
            var (ended, release, refusal) = await RegisterAsync(record.Job, cancellationToken);
            if (refusal is not null)
            {
                await record.EndAsync(
                    record.Job with { Status = TrainingJobStatus.Failed, Error = $"The adapter could not be registered: {refusal.Message}" }, [], cancellationToken);
                LogFailed(record.Job.Id, refusal.Message);
                return;
            }

            // 4 Verdict.
            await record.EndAsync(ended, release is null ? [] : [release], cancellationToken);
            LogEnded(ended.Id, ended.Deployment, ended.Verdict!, string.Join("; ", ended.Reasons));
        }
        catch (JobTakenException)
        {
            // Another process took the job over; it goes on there.
            LogTaken(record.Job.Id);
        }
        catch (Exception failure) when (failure is FileNotFoundException or not (IOException or OperationCanceledException))
        {
            // Trying again would end the same way; a store or disk that fails is another matter.
            await record.EndAsync(record.Job with { Status = TrainingJobStatus.Failed, Error = failure.Message }, [], cancellationToken);
            LogBroken(failure, record.Job.Id);
        }
    }

    /// <summary>Starts the rollout of a job that succeeded; null when it runs or is not to run, otherwise why it could not start yet.</summary>
    internal async Task<ApiError?> ReleaseAsync(Stored<TrainingJob> job, CancellationToken cancellationToken)
    {
        var (done, version) = job;
        var start = await rollouts.StartAsync(
            new RolloutProposal(done.Deployment, done.Generation!, Actor, $"job {done.Id} passed its gate"), cancellationToken);
        if (start.Error is { Status: >= 500 or 429 } busy)
        {
            return busy;
        }

        // Any other error is an answer: the deployment moved on, this candidate was tried before, or its rollout was started
        // by a call that could not record it.
        var id = start.Rollout?.Id ?? await store.FindByCandidateAsync(done.CandidateReleaseId!, done.EndedAt!.Value, cancellationToken);
        var note = id is null ? $"no rollout: {start.Error!.Message}" : $"rollout {id} started";
        await jobs.SaveAsync(done with { RolloutId = id, AwaitsRollout = false, Reasons = [.. done.Reasons, note] }, version, cancellationToken);
        LogReleased(done.Id, note);
        return null;
    }

    private async Task<(TrainingJobStatus Status, string Error)?> TrainAsync(JobRecord record, CancellationToken cancellationToken)
    {
        var folder = jobs.FolderOf(record.Job);
        for (var attempt = 1; ;)
        {
            var exit = await launcher.RunAsync(folder, record.Report, cancellationToken);
            await record.FlushAsync(cancellationToken);
            switch (exit.Code)
            {
                case ITrainingLauncher.Finished:
                    return null;
                case ITrainingLauncher.Refused:
                    return (TrainingJobStatus.Rejected, exit.Error);
                case ITrainingLauncher.Held:
                    // A child of an earlier host is still at it; its stages are found finished once it lets go.
                    await Task.Delay(options.Poll, clock, cancellationToken);
                    break;
                default:
                    LogDied(record.Job.Id, exit.Code, attempt);
                    if (attempt++ >= Attempts)
                    {
                        return (TrainingJobStatus.Failed, $"The training process ended with code {exit.Code} {Attempts} times. {exit.Error}");
                    }

                    break;
            }
        }
    }

    private async Task<(TrainingJob Ended, DocumentWrite? Release, ApiError? Refusal)> RegisterAsync(TrainingJob job, CancellationToken cancellationToken)
    {
        var folder = jobs.FolderOf(job);
        var adapter = Path.Combine(folder, "adapter");
        var request = Read(folder, "request", TrainingJson.Default.RunRequest);
        var dataset = Read(folder, "curate", TrainingJson.Default.DatasetManifest);
        var report = Read(folder, "report", TrainingJson.Default.EvaluationReport);
        var verdict = Read(folder, "verdict", TrainingJson.Default.GateVerdict);
        RunFolder.WriteManifest(
            adapter,
            "manifest",
            new AdapterManifest(
                request.Contract?.PromptHash, request.Contract?.ContractHash, request.BaseFingerprint, job.Id, dataset.Digest, verdict),
            LearningJson.Default.AdapterManifest);
        var registration = await adapters.RegisterAsync(
            adapter, $"{job.Deployment}-{job.Id}", job.Id, Actor, verdict.Passed ? "gate passed" : "gate failed", cancellationToken);
        if (registration.Adapter is not { } registered)
        {
            return (job, null, registration.Error);
        }

        var stable = await releases.FindAsync(job.StableReleaseId, cancellationToken);
        var contract = stable is null ? null : await contracts.OfAsync(stable, cancellationToken);
        var (release, write, mismatch) = await releases.BuildAsync(contract, registered.Generation, force: false, cancellationToken);
        if (release is null)
        {
            return (job, null, mismatch);
        }

        return (
            job with
            {
                Status = verdict.Passed ? TrainingJobStatus.Succeeded : TrainingJobStatus.Rejected,
                Generation = registered.Generation,
                CandidateReleaseId = release.Id,
                Counts = CountsOf(job, dataset),
                Verdict = verdict.Passed ? TrainingJobs.Passed : TrainingJobs.Refused,
                Reasons = [.. verdict.Conditions.Select(condition => $"{condition.Name}: {(condition.Passed ? "passed" : "failed")}: {condition.Reason}")],
                Figures = FiguresOf(report),
                AwaitsRollout = verdict.Passed,
            },
            write,
            null);
    }

    private static T Read<T>(string folder, string stage, System.Text.Json.Serialization.Metadata.JsonTypeInfo<T> type)
        where T : class =>
        RunFolder.ReadManifest(folder, stage, type)
            ?? throw new InvalidDataException($"The run folder '{Path.GetFileName(folder)}' lacks {stage}.json although its run ended; start a new job.");

    private static SortedDictionary<string, int> CountsOf(TrainingJob job, DatasetManifest dataset)
    {
        var counts = new SortedDictionary<string, int>(StringComparer.Ordinal);
        foreach (var (name, count) in job.Counts.Concat(dataset.Dropped.Select(entry => KeyValuePair.Create($"dropped_{entry.Key}", entry.Value))))
        {
            counts[name] = count;
        }

        counts["train"] = dataset.Train;
        counts["validation"] = dataset.Validation;
        counts["test"] = dataset.Test;
        return counts;
    }

    private static SortedDictionary<string, JobFigure> FiguresOf(EvaluationReport report)
    {
        var figures = new SortedDictionary<string, JobFigure>(StringComparer.Ordinal);
        Add("accuracy_stable", report.StableAccuracy);
        Add("accuracy_candidate", report.CandidateAccuracy);
        Add("accuracy_gain", report.AccuracyGain);
        Add("valid_stable", report.StableValid);
        Add("valid_candidate", report.CandidateValid);
        Add("valid_gain", report.ValidGain);
        Add("forgetting", report.Forgetting);
        return figures;

        // Without items there is no figure, and its interval would be infinite.
        void Add(string name, Interval interval)
        {
            if (interval.N > 0)
            {
                figures[name] = new JobFigure(interval.Value, interval.Low, interval.High, interval.N);
            }
        }
    }

    [LoggerMessage(LogLevel.Information, "Training job {Id} of {Deployment} ended: gate {Verdict}. {Reasons}")]
    private partial void LogEnded(string id, string deployment, string verdict, string reasons);

    [LoggerMessage(LogLevel.Warning, "Training job {Id} made no adapter: {Reason}")]
    private partial void LogFailed(string id, string reason);

    [LoggerMessage(LogLevel.Error, "Training job {Id} broke.")]
    private partial void LogBroken(Exception failure, string id);

    [LoggerMessage(LogLevel.Warning, "The process of training job {Id} ended with code {Code}, attempt {Attempt}; it resumes.")]
    private partial void LogDied(string id, int code, int attempt);

    [LoggerMessage(LogLevel.Information, "Training job {Id} was taken over by another process.")]
    private partial void LogTaken(string id);

    [LoggerMessage(LogLevel.Information, "Training job {Id}: {Note}.")]
    private partial void LogReleased(string id, string note);
}
