using Gateway.Domain.Contracts;
using Gateway.Domain.Interactions;
using Gateway.Model.Network;
using Gateway.Model.Numerics;
using Gateway.TestKit;
using Gateway.Training;
using Gateway.Training.Data;
using Gateway.Training.Sft;
using Xunit;

namespace Gateway.UnitTests.Training;

public sealed class TrainingRunTests : IDisposable
{
    private static readonly string[] Words = ["oak", "river", "lamp", "stone", "glass", "bird", "cloud", "paper", "iron", "apple", "salt", "wheel"];

    private readonly TinyModel _tiny = new();
    private readonly TemporaryFolder _folder = TestData.CreateFolder();
    private readonly string _fingerprint;

    public TrainingRunTests()
    {
        using var compute = new Compute(1);
        using var model = _tiny.Load(compute);
        _fingerprint = model.Fingerprint;
    }

    public void Dispose()
    {
        _tiny.Dispose();
        _folder.Dispose();
    }

    private string Snapshot(string name, int rows, string? fingerprint = null)
    {
        var folder = Path.Combine(_folder.Path, name);
        Directory.CreateDirectory(folder);
        RunFolder.WriteRows(
            Path.Combine(folder, "rows.jsonl"),
            Enumerable.Range(0, rows).Select(i => new ExampleRow
            {
                Id = $"row-{i}",
                Messages = [new ChatMessage { Role = "user", Content = $"{Words[i % 12]} {Words[i * 5 % 12]} {Words[i * 7 / 12 % 12]} {i * 37}" }],
                Target = i % 2 == 0 ? "yes" : "no",
                Weight = 1,
                Kind = ExampleKind.Correction,
                Split = i % 5 == 4 ? ExampleSplit.Test : ExampleSplit.Train,
            }),
            TrainingJson.Default.ExampleRow);
        RunFolder.WriteRows(
            Path.Combine(folder, "general-prompts.jsonl"),
            Words.Select(word => new GeneralPrompt($"What is {word}?")),
            TrainingJson.Default.GeneralPrompt);
        RunFolder.WriteManifest(
            folder,
            "request",
            new RunRequest
            {
                JobId = name,
                Deployment = "test",
                ModelDirectory = _tiny.Path,
                BaseFingerprint = fingerprint ?? _fingerprint,
                Contract = ContractHasher.Create("test", 1, new ContractContent { SystemPrompt = "Answer." }, DateTimeOffset.UnixEpoch, "test"),
                Settings = new SftSettings { MaxEpochs = 3, Rank = 4 },
                CreatedAt = DateTimeOffset.UnixEpoch,
            },
            TrainingJson.Default.RunRequest);
        return folder;
    }

    private static async Task RunAsync(string path, Action<RunProgress>? onProgress = null, CancellationToken cancellationToken = default)
    {
        using var folder = RunFolder.TryOpen(path)!;
        await new TrainingRun(folder, TimeProvider.System, new Progress(onProgress ?? (_ => { }))).RunAsync(cancellationToken);
    }

    [Fact]
    public async Task A_run_leaves_an_adapter_a_report_and_a_verdict()
    {
        var folder = Snapshot("whole", 40);
        await RunAsync(folder, cancellationToken: TestContext.Current.CancellationToken);
        var report = RunFolder.ReadManifest(folder, "report", TrainingJson.Default.EvaluationReport)!;
        Assert.Equal(8, report.Items.Count);
        Assert.True(report.Forgetting.N > 0);
        Assert.Equal(4, RunFolder.ReadManifest(folder, "verdict", TrainingJson.Default.GateVerdict)!.Conditions.Count);
        Assert.True(File.Exists(Path.Combine(folder, "adapter", "adapter_model.safetensors")));
    }

    [Theory]
    [InlineData("replay")]
    [InlineData("train")]
    [InlineData("evaluate")]
    public async Task A_run_cut_in_any_stage_resumes_and_ends_with_the_same_adapter(string stage)
    {
        var whole = Snapshot("whole", 40);
        await RunAsync(whole, cancellationToken: TestContext.Current.CancellationToken);
        var cut = Snapshot("cut", 40);
        using var source = new CancellationTokenSource();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => RunAsync(
            cut,
            progress =>
            {
                if (progress.Stage == stage && progress.Done >= 5)
                {
                    source.Cancel();
                }
            },
            source.Token));
        await RunAsync(cut, cancellationToken: TestContext.Current.CancellationToken);
        Assert.Equal(
            File.ReadAllBytes(Path.Combine(whole, "adapter", "adapter_model.safetensors")),
            File.ReadAllBytes(Path.Combine(cut, "adapter", "adapter_model.safetensors")));
        Assert.Equal(
            RunFolder.ReadManifest(whole, "verdict", TrainingJson.Default.GateVerdict)!.Summary,
            RunFolder.ReadManifest(cut, "verdict", TrainingJson.Default.GateVerdict)!.Summary);
    }

    [Fact]
    public async Task Too_few_rows_are_refused_with_what_to_do()
    {
        var refused = await Assert.ThrowsAsync<RunRefusedException>(() => RunAsync(Snapshot("few", 9)));
        Assert.Contains("at least 10 are needed", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Another_base_model_than_the_snapshots_is_refused()
    {
        var refused = await Assert.ThrowsAsync<RunRefusedException>(() => RunAsync(Snapshot("other", 40, new string('0', 64))));
        Assert.Contains("fingerprint", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_folder_is_worked_on_by_one_process_at_a_time()
    {
        var folder = Snapshot("held", 10);
        using var holder = RunFolder.TryOpen(folder);
        Assert.NotNull(holder);
        Assert.Null(RunFolder.TryOpen(folder));
    }

    private sealed class Progress(Action<RunProgress> handler) : IProgress<RunProgress>
    {
        public void Report(RunProgress value) => handler(value);
    }
}
