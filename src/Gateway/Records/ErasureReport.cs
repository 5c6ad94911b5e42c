using System.Text.Json.Serialization;

namespace Gateway.Records;

/// <summary>A training job that saw rows of an erased user, with the adapter it made.</summary>
/// <param name="Job">The job.</param>
/// <param name="Status">How far it is; a job under way finishes with the rows it began with.</param>
/// <param name="Rows">How many of its rows were the user's.</param>
/// <param name="Generation">The adapter's generation, or null when the job made none.</param>
public sealed record TouchedJob(string Job, string Status, int Rows, string? Generation);

/// <summary>What was erased on behalf of an end user, and what was learned from it before. Names no user.</summary>
public sealed record ErasureReport(
    string Id, string Object, DateTimeOffset CreatedAt, int InteractionsErased, int FeedbackErased, IReadOnlyList<string> Adapters, IReadOnlyList<TouchedJob> Jobs);

/// <summary>Source-generated JSON of the records room.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower)]
[JsonSerializable(typeof(ErasureReport))]
internal sealed partial class RecordsJson : JsonSerializerContext;
