using System.Text.Json;
using Gateway.Domain.Audit;
using Gateway.Domain.Json;
using Gateway.Storage;

namespace Gateway.Api;

/// <summary>The audit trail: every control change, hash-chained.</summary>
internal static class AuditEndpoints
{
    private const int DefaultLimit = 100;
    private const int MaximumLimit = 1000;

    /// <summary>The route table.</summary>
    public static void MapAudit(this IEndpointRouteBuilder routes) => routes.MapGet("/v1/audit", ListAsync);

    // Newest first. "verified" covers the whole trail, not just this page, so an edit anywhere shows up at once.
    private static async Task<IResult> ListAsync(long? before, int? limit, ControlPlane control, CancellationToken cancellationToken)
    {
        var trail = new List<AuditEntry>();
        await foreach (var entry in control.ReadAuditAsync(1, cancellationToken))
        {
            trail.Add(entry);
        }

        var broken = AuditChain.Verify(trail);
        var count = Math.Clamp(limit ?? DefaultLimit, 1, MaximumLimit);
        var older = trail.Where(entry => before is null || entry.Sequence < before).Reverse().ToList();
        return ApiReply.Bytes(StatusCodes.Status200OK, writer =>
        {
            writer.WriteStartObject();
            writer.WriteString("object", "list");
            writer.WriteBoolean("verified", broken is null);
            if (broken is not null)
            {
                writer.WriteString("broken_because", broken.Reason);
            }

            writer.WriteStartArray("data");
            foreach (var entry in older.Take(count))
            {
                JsonSerializer.Serialize(writer, entry, DomainJson.Default.AuditEntry);
            }

            writer.WriteEndArray();
            writer.WriteBoolean("has_more", older.Count > count);
            writer.WriteEndObject();
        });
    }
}
