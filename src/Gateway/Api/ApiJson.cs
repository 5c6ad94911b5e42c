using System.Text.Json.Serialization;
using Gateway.Domain.Contracts;
using Gateway.Domain.Json;
using Gateway.Domain.Keys;
using Gateway.Domain.Limits;

namespace Gateway.Api;

/// <summary>Source-generated JSON of the operators' requests and of what the nouns' own JSON does not cover.</summary>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    Converters = [typeof(SnakeCaseEnumConverter<SystemPolicy>), typeof(SnakeCaseEnumConverter<OutputMode>), typeof(SnakeCaseEnumConverter<KeyScope>),
        typeof(SnakeCaseEnumConverter<BudgetUnit>), typeof(SnakeCaseEnumConverter<BudgetPeriod>), typeof(SnakeCaseEnumConverter<StoreFailurePolicy>)])]
[JsonSerializable(typeof(byte[]))]
[JsonSerializable(typeof(ContractsEndpoints.CreateContract))]
[JsonSerializable(typeof(ContractLabelsEndpoints.MoveLabel))]
[JsonSerializable(typeof(ContractRenderEndpoint.RenderContract))]
[JsonSerializable(typeof(AdaptersEndpoints.ImportAdapter))]
[JsonSerializable(typeof(WorkersEndpoints.AddWorker))]
[JsonSerializable(typeof(WorkersEndpoints.OrderWorker))]
[JsonSerializable(typeof(AdapterFilesEndpoints.AdapterFile))]
[JsonSerializable(typeof(LoraEndpoints.LoadLora))]
[JsonSerializable(typeof(LoraEndpoints.UnloadLora))]
[JsonSerializable(typeof(LoraEndpoints.LoadedLora))]
[JsonSerializable(typeof(ReleasesEndpoints.CreateRelease))]
[JsonSerializable(typeof(DeploymentsEndpoints.CreateDeployment))]
[JsonSerializable(typeof(DeploymentsEndpoints.MoveDeployment))]
[JsonSerializable(typeof(DeploymentsEndpoints.RollBackDeployment))]
[JsonSerializable(typeof(RolloutsEndpoints.StartRollout))]
[JsonSerializable(typeof(RolloutsEndpoints.AbortRollout))]
[JsonSerializable(typeof(JobsEndpoints.CreateJob))]
[JsonSerializable(typeof(CreateKey))]
[JsonSerializable(typeof(KeysEndpoints.RevokeKey))]
[JsonSerializable(typeof(KeysEndpoints.RotateKey))]
[JsonSerializable(typeof(KeyReply))]
[JsonSerializable(typeof(FeedbackReply))]
[JsonSerializable(typeof(IdempotencyRecord))]
[JsonSerializable(typeof(DeletedReply))]
[JsonSerializable(typeof(ModelCard))]
[JsonSerializable(typeof(HealthReply))]
internal sealed partial class ApiJson : JsonSerializerContext;
