using System.ComponentModel;
using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Text.Json;
using Gateway.Training;

namespace Gateway.Jobs;

/// <summary>
/// Runs <c>gateway train --job FOLDER --attached</c> as a child of this process. The child's standard input stays open as
/// long as this process lives; when it closes, however suddenly, the child exits.
/// </summary>
public sealed class TrainingProcess : ITrainingLauncher
{
    private const int ErrorLines = 20;

    // The shell's code for a command that is not there.
    private const int CannotStart = 127;

    /// <inheritdoc/>
    public async Task<TrainingExit> RunAsync(string folder, Action<RunProgress> onProgress, CancellationToken cancellationToken)
    {
        using var process = new Process { StartInfo = StartInfo(folder) };
        var errors = new Queue<string>();
        process.OutputDataReceived += (_, line) => Report(line.Data, onProgress);
        process.ErrorDataReceived += (_, line) => Remember(line.Data, errors);
        try
        {
            process.Start();
        }
        catch (Win32Exception failure)
        {
            return new TrainingExit(CannotStart, $"The training process could not be started: {failure.Message}.");
        }

        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
        try
        {
            // Also waits until both streams are read to their end.
            await process.WaitForExitAsync(cancellationToken);
        }
        catch (OperationCanceledException)
        {
            process.Kill(entireProcessTree: true);
            await process.WaitForExitAsync(CancellationToken.None);
            throw;
        }

        lock (errors)
        {
            return new TrainingExit(process.ExitCode, string.Join('\n', errors));
        }
    }

    /// <summary>This executable again, whether it runs as an apphost, under <c>dotnet</c>, or inside a test host.</summary>
    private static ProcessStartInfo StartInfo(string folder)
    {
        var assembly = typeof(TrainingProcess).Assembly;
        var self = Environment.ProcessPath ?? throw new InvalidOperationException("The path of the running executable is unknown; start the gateway from a file.");
        var name = Path.GetFileNameWithoutExtension(self);
        var isHost = string.IsNullOrEmpty(assembly.Location) || name == assembly.GetName().Name;
        var start = new ProcessStartInfo(isHost ? self : name == "dotnet" ? self : DotnetHost())
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            UseShellExecute = false,
        };
        if (!isHost)
        {
            start.ArgumentList.Add(assembly.Location);
        }

        foreach (var argument in new[] { "train", "--job", folder, "--attached" })
        {
            start.ArgumentList.Add(argument);
        }

        return start;
    }

    // The runtime lies in ROOT/shared/Microsoft.NETCore.App/VERSION/.
    private static string DotnetHost() =>
        Environment.GetEnvironmentVariable("DOTNET_HOST_PATH") is { Length: > 0 } host
            ? host
            : Path.GetFullPath(Path.Combine(RuntimeEnvironment.GetRuntimeDirectory(), "..", "..", "..", OperatingSystem.IsWindows() ? "dotnet.exe" : "dotnet"));

    private static void Report(string? line, Action<RunProgress> onProgress)
    {
        if (line is not { Length: > 0 } || line[0] != '{')
        {
            return;
        }

        try
        {
            if (JsonSerializer.Deserialize(line, RunProgressJson.Default.RunProgress) is { } progress)
            {
                onProgress(progress);
            }
        }
        catch (JsonException)
        {
            // A line cut by the child's death tells nothing.
        }
    }

    private static void Remember(string? line, Queue<string> errors)
    {
        if (line is null)
        {
            return;
        }

        lock (errors)
        {
            errors.Enqueue(line);
            if (errors.Count > ErrorLines)
            {
                errors.Dequeue();
            }
        }
    }
}
