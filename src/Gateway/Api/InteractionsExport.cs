using System.Buffers;
using System.Text.Json;
using Gateway.Api.Wire;
using Gateway.Domain.Interactions;
using Gateway.Domain.Json;
using Gateway.Domain.Storage;
using Gateway.FrontDoor;

namespace Gateway.Api;

/// <summary>
/// The records as JSON Lines, oldest first, one interaction a line. Streamed: memory does not grow with the export, a client
/// that leaves ends it, and one whose connection breaks sees a body without its end.
/// </summary>
internal static class InteractionsExport
{
    private const int FlushBytes = 64 << 10;

    /// <summary>Answers <c>GET /v1/interactions/export</c>.</summary>
    public static async Task HandleAsync(
        HttpContext context, string? deployment, bool? flagged, string? user, DateTimeOffset? since, DateTimeOffset? until,
        IInteractionLog log, InteractionRecorder recorder)
    {
        var cancellationToken = context.RequestAborted;
        if (recorder.Healthy)
        {
            await recorder.FlushAsync(cancellationToken);
        }

        context.Response.ContentType = "application/x-ndjson";
        var output = context.Response.BodyWriter;
        await using var json = new Utf8JsonWriter(output, WireJson.WriterOptions);
        await foreach (var (_, interaction) in log.ReadAsync(0, cancellationToken))
        {
            if (!IsWanted(interaction))
            {
                continue;
            }

            JsonSerializer.Serialize(json, interaction, DomainJson.Default.Interaction);
            json.Reset();
            output.Write("\n"u8);
            if (output.UnflushedBytes > FlushBytes)
            {
                await output.FlushAsync(cancellationToken);
            }
        }

        await output.FlushAsync(cancellationToken);

        bool IsWanted(Interaction interaction) =>
            (deployment is null || interaction.Deployment == deployment)
            && (user is null || interaction.User == user)
            && (flagged is not true || interaction.Flags.Count > 0)
            && (since is null || interaction.CreatedAt >= since)
            && (until is null || interaction.CreatedAt < until);
    }
}
