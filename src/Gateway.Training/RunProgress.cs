using System.Text.Json.Serialization;

namespace Gateway.Training;

/// <summary>Progress of a training run: one JSON line on the child's standard output.</summary>
/// <param name="Stage">curate, encode, train, evaluate or gate.</param>
/// <param name="Done">Units done in the stage.</param>
/// <param name="Total">Units in the stage.</param>
/// <param name="Note">A figure worth showing.</param>
public sealed record RunProgress(string Stage, int Done, int Total, string Note = "");

/// <summary>JSON of <see cref="RunProgress"/>.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower)]
[JsonSerializable(typeof(RunProgress))]
public sealed partial class RunProgressJson : JsonSerializerContext;

/// <summary>The run cannot go on with what is in its folder; the message says what to do.</summary>
public sealed class RunRefusedException(string message) : Exception(message);
