using System.Text.Json;
using System.Text.Json.Serialization;
using Gateway.Training.Pretraining;

namespace Gateway.Training;

/// <summary>JSON of the files a run writes.</summary>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    UseStringEnumConverter = true)]
[JsonSerializable(typeof(LossPoint))]
internal sealed partial class TrainingJson : JsonSerializerContext;
