using System.Diagnostics;
using System.Text.Json;
using Gateway.Domain.Interactions;

namespace Gateway.Telemetry;

/// <summary>Tells metrics, traces and the log how a reply ended; content stays out of all three. Thread-safe.</summary>
public sealed partial class ReplyTelemetry(ILogger<ReplyTelemetry> logger)
{
    /// <summary>Notes a reply; called once for each.</summary>
    public void Ended(Interaction interaction, Activity? span)
    {
        var model = interaction.Deployment;
        var timings = interaction.Timings;
        var end = NameOf(interaction.End);
        Instruments.Replied(model, NameOf(interaction.Arm), end, timings.TotalMs / 1000);
        if (interaction is { Streamed: true } && timings.FirstTokenMs is { } first)
        {
            Instruments.FirstTokenAfter(model, first / 1000);
            if (interaction.Usage is { CompletionTokens: > 1 and var tokens })
            {
                Instruments.TokensEvery(model, (timings.TotalMs - first) / 1000 / (tokens - 1));
            }
        }

        if (interaction.Usage is { } usage)
        {
            Instruments.Counted(model, usage.PromptTokens, usage.CompletionTokens);
        }

        foreach (var flag in interaction.Flags)
        {
            Instruments.Flagged(JsonNamingPolicy.SnakeCaseLower.ConvertName(flag.Kind.ToString()));
        }

        // Errors with a body of their own are counted where they are sent.
        var brokeOff = interaction is { End: EndReason.WorkerFailed, Status: StatusCodes.Status200OK };
        if (brokeOff)
        {
            Instruments.Error(Fault.StreamBroken);
        }

        var error = interaction.End is EndReason.Stop or EndReason.Length ? null : brokeOff ? Fault.StreamBroken : end;
        GenAi.End(span, interaction, error);
        if (interaction.End == EndReason.WorkerFailed)
        {
            LogFailed(interaction.Id, model, interaction.Worker, interaction.Status, timings.TotalMs);
        }
        else
        {
            LogEnded(interaction.Id, model, NameOf(interaction.Arm), interaction.Worker, end, interaction.Status, interaction.Usage?.PromptTokens, interaction.Usage?.CompletionTokens, timings.TotalMs);
        }
    }

    private static string NameOf(Arm arm) => arm switch
    {
        Arm.Control => "control",
        Arm.Candidate => "candidate",
        _ => "stable",
    };

    private static string NameOf(EndReason end) => end switch
    {
        EndReason.Stop => "stop",
        EndReason.Length => "length",
        EndReason.ClientGone => "client_gone",
        EndReason.WorkerFailed => "worker_failed",
        _ => "refused",
    };

    [LoggerMessage(LogLevel.Warning, "Reply {Id} of {Model} failed on worker {Worker} with status {Status} after {Milliseconds} ms.")]
    private partial void LogFailed(string id, string model, string? worker, int status, double milliseconds);

    [LoggerMessage(LogLevel.Debug, "Reply {Id} of {Model} ({Arm}) by {Worker} ended: {End}, status {Status}, {InputTokens} + {OutputTokens} tokens, {Milliseconds} ms.")]
    private partial void LogEnded(string id, string model, string arm, string? worker, string end, int status, int? inputTokens, int? outputTokens, double milliseconds);
}
