using System.Text.Json;
using Gateway.Api;
using Gateway.Domain.Audit;
using Gateway.Domain.Contracts;
using Gateway.Domain.Interactions;
using Gateway.Domain.Jobs;
using Gateway.Domain.Json;
using Gateway.Domain.Releases;
using Gateway.Domain.Rollouts;
using Gateway.Domain.Storage;
using Gateway.Hosting;
using Gateway.Jobs;
using Gateway.Records;
using Gateway.Security;
using Gateway.Storage;
using Gateway.Storage.Files;
using Gateway.TestKit;
using Gateway.Training;
using Gateway.Training.Data;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Gateway.UnitTests.Host.Jobs;

/// <summary>A learning loop on a real store in a temporary folder, with a clock, workers and a training process that obey the test.</summary>
internal sealed class LearningFixture : IAsyncDisposable
{
    public const string Triage = "triage";

    private readonly TemporaryFolder _folder = TestData.CreateFolder();
    private readonly TinyModel _model = new();
    private readonly FilesStore _store;
    private readonly BaseModel _base;
    private int _interactions;

    public LearningFixture()
    {
        _store = FilesStore.Open(_folder.Path, new FilesStoreOptions(), TimeProvider.System, NullLogger.Instance);
        _base = new BaseModel("starter", new string('b', 64), "f32", _model.Config);
        Data = new DataFolder(_folder.Path);
        Launcher = new ScriptedLauncher(_model);
        Control = new ControlPlane(_store, Clock);
        Feedback = new FeedbackStore(_store, new RecordOptions(), Clock);
        Prompts = Path.Combine(_folder.Path, "prompts.jsonl");
        File.WriteAllText(Prompts, "{\"prompt\":\"What is a poem?\"}\n");
        Restart();
    }

    public ManualClock Clock { get; } = new();

    public DataFolder Data { get; }

    public ScriptedLauncher Launcher { get; }

    public FakeTraffic Traffic { get; } = new();

    public ControlPlane Control { get; }

    public FeedbackStore Feedback { get; }

    public string Prompts { get; }

    public FilesStore Store => _store;

    public RolloutOptions RolloutOptions { get; set; } = new()
    {
        Hold = TimeSpan.Zero,
        AttributionWindow = TimeSpan.FromMinutes(1),
        Ramp = [0.5],
        StepPairs = 1,
    };

    public TrainingWorker Worker { get; private set; } = null!;

    public TrainingJobs Jobs { get; private set; } = null!;

    public RolloutController Controller { get; private set; } = null!;

    public RolloutStarter Starter { get; private set; } = null!;

    public RolloutStore Rollouts { get; private set; } = null!;

    public AdapterRegistry Adapters { get; private set; } = null!;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    /// <summary>New services on the same store, as after a crash of the process: nothing in memory survives.</summary>
    public void Restart()
    {
        // The leases of the dead process run out.
        Clock.Advance(TimeSpan.FromMinutes(1));
        var options = new LearningOptions { GeneralPrompts = Prompts, ModelDirectory = _model.Path, Rollout = RolloutOptions, Poll = TimeSpan.FromMilliseconds(1) };
        var leases = new Leases(_store, Clock);
        var contracts = new ContractReader(_store);
        Adapters = new AdapterRegistry(Data, _base, _store, Control, AdapterSignatures.Load([], required: false), Clock);
        var releases = new ReleaseBuilder(_base, Adapters, _store, Clock);
        Jobs = new TrainingJobs(_store, Control, leases, Data, options, Clock);
        Rollouts = new RolloutStore(_store, Control, Traffic, Clock);
        Starter = new RolloutStarter(_store, Control, Rollouts, releases, contracts, Adapters, Traffic, options, Clock);
        var snapshot = new RunSnapshot(_store, Feedback, new FrozenTests(_store), releases, contracts, Data, Jobs, options, Clock);
        var runner = new JobRunner(Jobs, snapshot, Launcher, Adapters, releases, contracts, Starter, Rollouts, options, Clock, NullLogger<JobRunner>.Instance);
        Worker = new TrainingWorker(_store, _store, Feedback, Jobs, runner, options, Clock, NullLogger<TrainingWorker>.Instance);
        Controller = new RolloutController(_store, _store, Feedback, Rollouts, leases, options, Clock, NullLogger<RolloutController>.Instance);
    }

    public async ValueTask DisposeAsync()
    {
        Control.Dispose();
        await _store.DisposeAsync();
        _model.Dispose();
        _folder.Dispose();
    }

    /// <summary>The deployment "triage" on the bare base model under a contract.</summary>
    public async Task<Deployment> CreateDeploymentAsync()
    {
        var contract = ContractHasher.Create(Triage, 1, new ContractContent { SystemPrompt = "Sort the message." }, Clock.GetUtcNow(), "test", null, null);
        var release = Release.Create(contract, null, _base.Fingerprint, _base.WeightFormat, Clock.GetUtcNow());
        var deployment = new Deployment { Name = Triage, ReleaseId = release.Id, History = [new(release.Id, Clock.GetUtcNow(), "test", "created")] };
        await _store.CommitAsync(
            [
                StoredDocuments.Write(Collections.Contracts, DocumentKeys.ContractVersion(Triage, 1), contract, DomainJson.Default.Contract, 0),
                StoredDocuments.Write(Collections.Releases, release.Id, release, DomainJson.Default.Release, 0),
                StoredDocuments.Write(Collections.Deployments, Triage, deployment, DomainJson.Default.Deployment, 0),
            ],
            Token);
        return deployment;
    }

    public async Task<Deployment> DeploymentAsync() =>
        (await _store.FindAsync(Collections.Deployments, Triage, DomainJson.Default.Deployment, Token))!.Value.Value;

    public async Task PutDeploymentAsync(Deployment deployment) =>
        await _store.CommitAsync([StoredDocuments.Write(Collections.Deployments, deployment.Name, deployment, DomainJson.Default.Deployment, null)], Token);

    /// <summary>Records one interaction with a message of its own; returns its id.</summary>
    public async Task<string> ChatAsync(string message, Func<Interaction, Interaction>? change = null)
    {
        var interaction = new Interaction
        {
            Id = $"chatcmpl-{_interactions++:D6}",
            CreatedAt = Clock.GetUtcNow(),
            Deployment = Triage,
            Messages = [new ChatMessage { Role = "user", Content = message }],
            Reply = "reply",
            End = EndReason.Stop,
            Status = 200,
            Timings = new Timings(1, 2),
        };
        interaction = change?.Invoke(interaction) ?? interaction;
        await _store.AppendAsync(interaction, Token);
        return interaction.Id;
    }

    /// <summary>Stores feedback on a reply; returns its id.</summary>
    public async Task<string> SayAsync(string responseId, FeedbackKind kind, string? text = null, bool? thumbs = null)
    {
        var id = $"fb_{responseId}_{kind}";
        var feedback = new Feedback { Id = id, ResponseId = responseId, Kind = kind, Text = text, Thumbs = thumbs, CreatedAt = Clock.GetUtcNow() };
        await Feedback.AddAsync(feedback, "", "", Token);
        return id;
    }

    /// <summary>Records replies that were corrected; no two messages resemble each other.</summary>
    public async Task CorrectAsync(int count, int from = 0)
    {
        for (var i = from; i < from + count; i++)
        {
            var id = await ChatAsync(Message(i));
            await SayAsync(id, FeedbackKind.Correction, $"{{\"intent\":\"{i}\"}}");
        }

        await _store.FlushAsync(Token);
    }

    /// <summary>The i-th message: words of its own, so that no shingle is shared.</summary>
    public static string Message(int i) => string.Join(' ', Enumerable.Range(0, 8).Select(word => Word((i * 8) + word)));

    /// <summary>Lets feedback settle, looks until nothing starts any more, and waits for the jobs that were started.</summary>
    public async Task WorkAsync()
    {
        Clock.Advance(TimeSpan.FromSeconds(30));
        for (var look = 0; look < 4; look++)
        {
            await Worker.LookAsync(Token);
            await Task.WhenAll(Worker.Running);
        }
    }

    public async Task<IReadOnlyList<TrainingJob>> JobsAsync()
    {
        var jobs = new List<TrainingJob>();
        await foreach (var (job, _) in Jobs.ListAsync(Token))
        {
            jobs.Add(job);
        }

        return jobs;
    }

    public IReadOnlyList<ExampleRow> RowsOf(TrainingJob job) =>
        [.. RunFolder.ReadRows(Path.Combine(Jobs.FolderOf(job), "rows.jsonl"), TrainingJson.Default.ExampleRow)];

    public async Task<IReadOnlyList<AuditEntry>> AuditAsync()
    {
        var entries = new List<AuditEntry>();
        await foreach (var entry in Control.ReadAuditAsync(1, Token))
        {
            entries.Add(entry);
        }

        return entries;
    }

    // Letters only: digits all look alike to the near-duplicate search.
    private static string Word(int number)
    {
        var letters = new char[7];
        var state = (ulong)number * 0x9E3779B97F4A7C15UL;
        for (var i = 0; i < letters.Length; i++)
        {
            state = (state ^ (state >> 29)) * 0xBF58476D1CE4E5B9UL;
            letters[i] = (char)('a' + (state >> 33) % 26);
        }

        return new string(letters);
    }
}
