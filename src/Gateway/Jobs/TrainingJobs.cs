using System.Security.Cryptography;
using System.Text.Json;
using Gateway.Api.Wire;
using Gateway.Domain.Jobs;
using Gateway.Domain.Json;
using Gateway.Domain.Releases;
using Gateway.Domain.Storage;
using Gateway.Hosting;
using Gateway.Storage;
using Gateway.Training;
using Gateway.Training.Data;

namespace Gateway.Jobs;

/// <summary>A created job, or the error that says why there is none.</summary>
public readonly record struct JobCreation(TrainingJob? Job, ApiError? Error);

/// <summary>
/// Training jobs in the document store. A job is created under the lease of its deployment, which the process that runs a
/// job holds, so there is one at a time. Thread-safe.
/// </summary>
public sealed class TrainingJobs(
    IDocumentStore documents, ControlPlane control, Leases leases, DataFolder data, LearningOptions options, TimeProvider clock)
{
    /// <summary>Verdict of a job whose candidate passed the gate.</summary>
    public const string Passed = "passed";

    /// <summary>Verdict of a job whose candidate the gate refused.</summary>
    public const string Refused = "failed";

    /// <summary>The run folder's file of rows that an operator brought.</summary>
    public const string UploadedRows = "uploaded.jsonl";

    /// <summary>Every job, oldest first.</summary>
    internal IAsyncEnumerable<Stored<TrainingJob>> ListAsync(CancellationToken cancellationToken) =>
        documents.ReadAllAsync(Collections.Jobs, "", DomainJson.Default.TrainingJob, cancellationToken);

    /// <summary>The job with its version, or null.</summary>
    internal Task<Stored<TrainingJob>?> FindAsync(string id, CancellationToken cancellationToken) =>
        documents.FindAsync(Collections.Jobs, id, DomainJson.Default.TrainingJob, cancellationToken);

    /// <summary>The run folder of a job on this machine.</summary>
    public string FolderOf(TrainingJob job) => Path.Combine(data.Root, job.Folder);

    /// <summary>The lease under which a deployment's jobs are created and run.</summary>
    internal HeldLease LeaseOf(string deployment) => new(leases, $"training/{deployment}", options.Owner, options.Lease, clock);

    /// <summary>
    /// Queues a job: 1 takes the deployment's lease; 2 refuses while another job is active; 3 writes an operator's rows into
    /// the run folder, so that a job that is acknowledged has them; 4 commits the job with its audit entry.
    /// </summary>
    /// <param name="deployment">The deployment to learn for.</param>
    /// <param name="trigger">Why, for the record.</param>
    /// <param name="rows">Rows an operator brought, or null to train on the deployment's feedback.</param>
    /// <param name="actor">Who or what asks.</param>
    /// <param name="cancellationToken">Ends waiting.</param>
    public async Task<JobCreation> CreateAsync(
        Deployment deployment, string trigger, IReadOnlyList<ExampleRow>? rows, string actor, CancellationToken cancellationToken)
    {
        // 1 Lease.
        var lease = LeaseOf(deployment.Name);
        if (!await lease.KeepAsync(cancellationToken))
        {
            return new(null, Busy());
        }

        try
        {
            // 2 One at a time.
            await foreach (var (other, _) in ListAsync(cancellationToken))
            {
                if (other.Deployment == deployment.Name && other.Active)
                {
                    return new(null, Busy());
                }
            }

            // 3 Rows.
            var now = clock.GetUtcNow();
            var id = $"job_{now:yyyyMMddHHmmssfff}_{RandomNumberGenerator.GetHexString(4, lowercase: true)}";
            var job = new TrainingJob
            {
                Id = id,
                Deployment = deployment.Name,
                Status = TrainingJobStatus.Queued,
                Folder = Path.Combine("jobs", id),
                StableReleaseId = deployment.ReleaseId,
                Trigger = trigger,
                UploadedRows = rows?.Count,
                CreatedAt = now,
            };
            Directory.CreateDirectory(FolderOf(job));
            if (rows is not null)
            {
                RunFolder.WriteRows(Path.Combine(FolderOf(job), UploadedRows), rows, TrainingJson.Default.ExampleRow);
            }

            // 4 Commit.
            await control.ApplyAsync(
                actor, "job.create", id, $"{deployment.Name}: {trigger}",
                _ => Task.FromResult(new ControlDecision<bool>([Write(job, version: 0)], true)),
                cancellationToken);
            return new(job, null);
        }
        finally
        {
            await lease.ReleaseAsync(CancellationToken.None);
        }
    }

    /// <summary>Stores progress; false when another process changed the job.</summary>
    internal async Task<bool> SaveAsync(TrainingJob job, long version, CancellationToken cancellationToken) =>
        (await documents.CommitAsync([Write(job, version)], cancellationToken)).Committed;

    /// <summary>Stores a step worth an audit entry, together with <paramref name="alsoWrite"/>; false when another process changed the job.</summary>
    internal Task<bool> RecordAsync(
        TrainingJob job, long version, string action, string actor, IReadOnlyList<DocumentWrite> alsoWrite, CancellationToken cancellationToken) =>
        control.ApplyAsync(
            actor, action, job.Id, job.Error ?? (job.Reasons.Count > 0 ? string.Join("; ", job.Reasons) : job.Trigger),
            async token => await documents.GetAsync(Collections.Jobs, job.Id, token) is { } current && current.Version == version
                ? new ControlDecision<bool>([Write(job, version), .. alsoWrite], true)
                : new ControlDecision<bool>([], false),
            cancellationToken);

    private static DocumentWrite Write(TrainingJob job, long version) =>
        StoredDocuments.Write(Collections.Jobs, job.Id, job, DomainJson.Default.TrainingJob, version);

    private static ApiError Busy() => ApiError.Conflict(
        "job_running", "A training job of this deployment is under way. Follow it with GET /v1/jobs and repeat the call when it has ended.", "deployment");
}
