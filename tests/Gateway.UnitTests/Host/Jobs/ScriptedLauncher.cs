using Gateway.Jobs;
using Gateway.TestKit;
using Gateway.Training;
using Gateway.Training.Data;
using Gateway.Training.Evaluation;

namespace Gateway.UnitTests.Host.Jobs;

/// <summary>Plays the child process: each call takes the next scripted end; without a script the run finishes.</summary>
internal sealed class ScriptedLauncher(TinyModel model) : ITrainingLauncher
{
    public Queue<Func<string, CancellationToken, Task<TrainingExit>>> Script { get; } = new();

    public List<string> Folders { get; } = [];

    /// <summary>Whether the gate of a finished run passes.</summary>
    public bool Passes { get; set; } = true;

    /// <summary>Seed of the adapter a run makes; equal seeds make equal generations.</summary>
    public int AdapterSeed { get; set; } = 1;

    public async Task<TrainingExit> RunAsync(string folder, Action<RunProgress> onProgress, CancellationToken cancellationToken)
    {
        Folders.Add(folder);
        onProgress(new RunProgress("train", 1, 2, "loss 1.000"));
        if (Script.TryDequeue(out var scripted))
        {
            return await scripted(folder, cancellationToken);
        }

        Finish(folder);
        return new TrainingExit(ITrainingLauncher.Finished, "");
    }

    /// <summary>Leaves in the folder what a finished run leaves.</summary>
    public void Finish(string folder)
    {
        var adapter = Path.Combine(folder, "adapter");
        Directory.CreateDirectory(adapter);
        foreach (var file in Directory.EnumerateFiles(model.WriteAdapter(AdapterSeed)))
        {
            File.Copy(file, Path.Combine(adapter, Path.GetFileName(file)), overwrite: true);
        }

        RunFolder.WriteManifest(
            folder,
            "curate",
            new DatasetManifest
            {
                RowsIn = 60,
                Dropped = new Dictionary<string, int>(StringComparer.Ordinal) { ["duplicate"] = 3 },
                Redacted = new Dictionary<string, int>(StringComparer.Ordinal),
                Train = 40,
                Validation = 5,
                Test = 12,
                Digest = "digest",
            },
            TrainingJson.Default.DatasetManifest);
        var estimate = new Interval(0.5, 0.4, 0.6, 12);
        RunFolder.WriteManifest(
            folder,
            "report",
            new EvaluationReport
            {
                StableAccuracy = estimate,
                CandidateAccuracy = estimate,
                AccuracyGain = estimate,
                StableValid = estimate,
                CandidateValid = estimate,
                ValidGain = estimate,
                Forgetting = new Interval(0, double.NegativeInfinity, double.PositiveInfinity, 0),
                Items = [],
            },
            TrainingJson.Default.EvaluationReport);
        RunFolder.WriteManifest(
            folder, "verdict", new GateVerdict(Passes, [new GateCondition("accuracy", Passes, "0.50 against 0.10")]), TrainingJson.Default.GateVerdict);
    }
}
