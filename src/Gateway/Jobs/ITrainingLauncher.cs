using Gateway.Training;

namespace Gateway.Jobs;

/// <summary>How a training process ended: its exit code and the last lines of its standard error.</summary>
public sealed record TrainingExit(int Code, string Error);

/// <summary>Runs the stages of a training run outside this process. Thread-safe.</summary>
public interface ITrainingLauncher
{
    /// <summary>Exit code of a run that reached its verdict.</summary>
    const int Finished = 0;

    /// <summary>Exit code of a run that its data or base model refuse; the error says why.</summary>
    const int Refused = 1;

    /// <summary>Exit code of a process that found the folder in use.</summary>
    const int Held = 3;

    /// <summary>
    /// Runs every unfinished stage of the run in <paramref name="folder"/> and returns how it ended; cancellation kills the
    /// process, which a later call may resume.
    /// </summary>
    Task<TrainingExit> RunAsync(string folder, Action<RunProgress> onProgress, CancellationToken cancellationToken);
}
