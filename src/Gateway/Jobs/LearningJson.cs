using System.Text.Json.Serialization;

namespace Gateway.Jobs;

/// <summary>JSON of the learning loop's own files.</summary>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(AdapterManifest))]
internal sealed partial class LearningJson : JsonSerializerContext;
