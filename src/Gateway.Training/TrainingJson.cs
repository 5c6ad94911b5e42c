using System.Text.Json;
using System.Text.Json.Serialization;
using Gateway.Training.Data;
using Gateway.Training.Evaluation;
using Gateway.Training.Pretraining;

namespace Gateway.Training;

/// <summary>JSON of the files a run reads and writes.</summary>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals,
    UseStringEnumConverter = true)]
[JsonSerializable(typeof(RunRequest))]
[JsonSerializable(typeof(ExampleRow))]
[JsonSerializable(typeof(GeneralPrompt))]
[JsonSerializable(typeof(DatasetManifest))]
[JsonSerializable(typeof(EncodeManifest))]
[JsonSerializable(typeof(TrainManifest))]
[JsonSerializable(typeof(EvaluationReport))]
[JsonSerializable(typeof(GateVerdict))]
[JsonSerializable(typeof(LossPoint))]
public sealed partial class TrainingJson : JsonSerializerContext;
