using System.CommandLine;
using System.Text.Json;
using Gateway.Training;
using Gateway.Training.Sft;

namespace Gateway.Commands;

/// <summary>
/// <c>gateway train --job FOLDER</c>: the child process of a training run. Touches only the folder (and reads the base
/// model), runs at the lowest priority, reports progress as JSON Lines on standard output.
/// </summary>
internal static class TrainCommand
{
    /// <summary>Exit code: the run ended with a verdict.</summary>
    public const int Finished = 0;

    /// <summary>Exit code: the run failed; the last line of standard error says why.</summary>
    public const int Failed = 1;

    /// <summary>Exit code: another process holds the folder's lock.</summary>
    public const int Held = 3;

    /// <summary>The command with its options.</summary>
    public static Command Create()
    {
        var job = new Option<string>("--job") { Description = "The run's folder, as the host or an earlier run left it.", Required = true };
        var attached = new Option<bool>("--attached")
        {
            Description = "Exit when standard input closes; the host sets it so that a run never outlives it unseen.",
        };
        var command = new Command(
            "train",
            "Run or resume one training run: curate, encode, train, evaluate, gate. Finished stages are skipped.\n\n"
            + "Example:\n  gateway train --job ~/.local/share/gateway/jobs/job_20250101_1")
        {
            job, attached,
        };
        command.SetAction((parsed, cancellationToken) =>
            RunAsync(parsed.GetRequiredValue(job), parsed.GetValue(attached), cancellationToken));
        return command;
    }

    private static async Task<int> RunAsync(string job, bool attached, CancellationToken cancellationToken)
    {
        if (!File.Exists(Path.Combine(job, "request.json")))
        {
            await Console.Error.WriteLineAsync($"'{job}' is not a run folder: request.json is missing.");
            return Failed;
        }

        BackgroundPriority.Apply();
        using var folder = RunFolder.TryOpen(job);
        if (folder is null)
        {
            await Console.Error.WriteLineAsync($"'{job}' is in use by another process: wait for it or stop it.");
            return Held;
        }

        if (attached)
        {
            ExitWithStandardInput();
        }

        var output = Console.OpenStandardOutput();
        var progress = new SynchronousProgress<RunProgress>(report =>
        {
            lock (output)
            {
                output.Write(JsonSerializer.SerializeToUtf8Bytes(report, RunProgressJson.Default.RunProgress));
                output.WriteByte((byte)'\n');
                output.Flush();
            }
        });
        try
        {
            await Task.Run(() => new TrainingRun(folder, TimeProvider.System, progress).RunAsync(cancellationToken), cancellationToken);
            return Finished;
        }
        catch (Exception e) when (e is RunRefusedException or TrainingAbortedException)
        {
            await Console.Error.WriteLineAsync(e.Message);
            return Failed;
        }
    }

    /// <summary>The host holds the other end; its death, however sudden, closes the pipe. Stages survive a cut at any point.</summary>
    private static void ExitWithStandardInput() => new Thread(() =>
    {
        using var input = Console.OpenStandardInput();
        Span<byte> buffer = stackalloc byte[64];
        while (input.Read(buffer) > 0)
        {
        }

        Environment.Exit(Failed);
    })
    {
        IsBackground = true,
        Name = "stdin-watch",
    }.Start();
}
