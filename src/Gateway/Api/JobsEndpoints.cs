using System.Text.Json;
using Gateway.Api.Wire;
using Gateway.Domain.Interactions;
using Gateway.Domain.Jobs;
using Gateway.Domain.Json;
using Gateway.Domain.Releases;
using Gateway.Domain.Storage;
using Gateway.Jobs;
using Gateway.Training.Data;

namespace Gateway.Api;

/// <summary>Training jobs as the learning loop keeps them, jobs on an operator's own rows, and what waits for a correction.</summary>
internal static class JobsEndpoints
{
    private const int MaximumRows = 10_000;
    private const int MaximumPage = 100;

    /// <summary>The route table.</summary>
    public static void MapJobs(this IEndpointRouteBuilder routes)
    {
        routes.MapGet("/v1/jobs", ListAsync);
        routes.MapPost("/v1/jobs", CreateAsync);
        routes.MapGet("/v1/jobs/review", ReviewAsync);
        routes.MapGet("/v1/jobs/{id}", GetAsync);
    }

    /// <summary>Body of a job on an operator's rows: <c>{"messages":[…],"target":"…"}</c> each.</summary>
    internal sealed record CreateJob(string? Deployment, JsonElement? Rows, string? Reason);

    private static async Task<IResult> ListAsync(string? deployment, TrainingJobs jobs, CancellationToken cancellationToken)
    {
        var found = new List<TrainingJob>();
        await foreach (var (job, _) in jobs.ListAsync(cancellationToken))
        {
            if (deployment is null || job.Deployment == deployment)
            {
                found.Add(job);
            }
        }

        return ApiReply.List(found, DomainJson.Default.TrainingJob);
    }

    private static async Task<IResult> GetAsync(string id, TrainingJobs jobs, CancellationToken cancellationToken) =>
        await jobs.FindAsync(id, cancellationToken) is var (job, _)
            ? ApiReply.Json(job, DomainJson.Default.TrainingJob)
            : ApiReply.Error(ApiError.NotFound("job", id));

    // 202: the job is durable with its rows; training goes on after the answer.
    private static async Task<IResult> CreateAsync(HttpContext context, IDocumentStore documents, TrainingJobs jobs)
    {
        var (body, error) = await ControlBody.ReadAsync(context.Request, ApiJson.Default.CreateJob);
        if (body is null)
        {
            return ApiReply.Error(error!);
        }

        if (string.IsNullOrWhiteSpace(body.Reason))
        {
            return ApiReply.Error(ApiError.MissingParameter("reason"));
        }

        if (body.Deployment is null)
        {
            return ApiReply.Error(ApiError.MissingParameter("deployment"));
        }

        if (ReadRows(body.Rows, out error) is not { } rows)
        {
            return ApiReply.Error(error!);
        }

        if (await documents.FindAsync(Collections.Deployments, body.Deployment, DomainJson.Default.Deployment, context.RequestAborted) is not var (deployment, _))
        {
            return ApiReply.Error(ApiError.NotFound("deployment", body.Deployment, "deployment"));
        }

        var created = await jobs.CreateAsync(deployment, $"{rows.Count} uploaded rows: {body.Reason}", rows, context.Actor(), context.RequestAborted);
        return created.Job is { } job
            ? ApiReply.Json(job, DomainJson.Default.TrainingJob, StatusCodes.Status202Accepted)
            : ApiReply.Error(created.Error!);
    }

    private static async Task<IResult> ReviewAsync(
        string? deployment, int? limit, long? before, IInteractionLog log, FeedbackStore feedback, CancellationToken cancellationToken)
    {
        if (limit is < 1 or > MaximumPage)
        {
            return ApiReply.Error(ApiError.InvalidValue("limit", $"expected an integer from 1 to {MaximumPage}."));
        }

        // One more than asked for tells whether there are more.
        var size = limit ?? 20;
        var waiting = await ReviewQueue.ReadAsync(log, feedback, deployment, before, cancellationToken).Take(size + 1).ToListAsync(cancellationToken);
        return ApiReply.Bytes(StatusCodes.Status200OK, writer =>
        {
            writer.WriteStartObject();
            writer.WriteString("object", "list");
            writer.WriteStartArray("data");
            foreach (var (_, interaction) in waiting.Take(size))
            {
                JsonSerializer.Serialize(writer, interaction, DomainJson.Default.Interaction);
            }

            writer.WriteEndArray();
            writer.WriteBoolean("has_more", waiting.Count > size);
            if (waiting.Count > size)
            {
                writer.WriteNumber("before", waiting[size - 1].Sequence);
            }

            writer.WriteEndObject();
        });
    }

    private static List<ExampleRow>? ReadRows(JsonElement? given, out ApiError? error)
    {
        if (given is not { ValueKind: JsonValueKind.Array } array || array.GetArrayLength() is 0 or > MaximumRows)
        {
            error = given is null ? ApiError.MissingParameter("rows") : ApiError.InvalidValue("rows", $"expected an array of 1 to {MaximumRows} rows.");
            return null;
        }

        var fields = new FieldReader();
        var rows = new List<ExampleRow>();
        foreach (var item in array.EnumerateArray())
        {
            var path = $"rows[{rows.Count}]";
            var isRow = item.ValueKind == JsonValueKind.Object;
            if (!isRow || !item.TryGetProperty("messages", out var messages) || !item.TryGetProperty("target", out var target))
            {
                error = isRow ? ApiError.MissingParameter($"{path}.messages and {path}.target") : ApiError.InvalidValue(path, "expected an object.");
                return null;
            }

            var read = new MessagesReader(fields).Read(messages);
            var text = fields.Text(target, $"{path}.target");
            if (fields.Error is not null)
            {
                error = fields.Error.Param is { } param && param.StartsWith("messages", StringComparison.Ordinal)
                    ? fields.Error with { Param = $"{path}.{param}" }
                    : fields.Error;
                return null;
            }

            rows.Add(new ExampleRow
            {
                Id = $"upload-{rows.Count:D5}",
                Messages = read!,
                Target = text!,
                Weight = 1,
                Kind = ExampleKind.Correction,
                Split = ExampleSplit.Train,
            });
        }

        error = null;
        return rows;
    }
}
