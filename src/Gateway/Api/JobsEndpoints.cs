using Gateway.Api.Wire;
using Gateway.Domain.Storage;

namespace Gateway.Api;

/// <summary>Training jobs as the learning loop keeps them.</summary>
internal static class JobsEndpoints
{
    /// <summary>The route table.</summary>
    public static void MapJobs(this IEndpointRouteBuilder routes)
    {
        routes.MapGet("/v1/jobs", ListAsync);
        routes.MapGet("/v1/jobs/{id}", GetAsync);
    }

    private static async Task<IResult> ListAsync(IDocumentStore documents, CancellationToken cancellationToken)
    {
        var jobs = new List<ReadOnlyMemory<byte>>();
        await foreach (var document in documents.ListAsync(Collections.Jobs, "", cancellationToken))
        {
            jobs.Add(document.Json);
        }

        return ApiReply.Bytes(StatusCodes.Status200OK, writer =>
        {
            writer.WriteStartObject();
            writer.WriteString("object", "list");
            writer.WriteStartArray("data");
            jobs.ForEach(job => writer.WriteRawValue(job.Span));
            writer.WriteEndArray();
            writer.WriteBoolean("has_more", false);
            writer.WriteEndObject();
        });
    }

    private static async Task<IResult> GetAsync(string id, IDocumentStore documents, CancellationToken cancellationToken) =>
        await documents.GetAsync(Collections.Jobs, id, cancellationToken) is { } job
            ? ApiReply.Bytes(StatusCodes.Status200OK, writer => writer.WriteRawValue(job.Json.Span))
            : ApiReply.Error(ApiError.NotFound("job", id));
}
