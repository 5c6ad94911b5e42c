using System.Text.Json;
using System.Text.Json.Serialization;
using Gateway.Domain.Adapters;
using Gateway.Domain.Audit;
using Gateway.Domain.Contracts;
using Gateway.Domain.Guards;
using Gateway.Domain.Interactions;
using Gateway.Domain.Jobs;
using Gateway.Domain.Keys;
using Gateway.Domain.Limits;
using Gateway.Domain.NearDuplicates;
using Gateway.Domain.Releases;
using Gateway.Domain.Rollouts;
using Gateway.Domain.Routing;

namespace Gateway.Domain.Json;

/// <summary>
/// The one JSON form of the nouns, used by every store: snake_case members and enum names, nulls left out, computed members
/// not written. Use as <c>JsonSerializer.Serialize(value, DomainJson.Default.Contract)</c>.
/// </summary>
/// <remarks>
/// Immutable and thread-safe. A member that is missing from a document gets its type's default, not its initializer (the
/// source generator sets every init-only member), so documents are always written whole.
/// </remarks>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    IgnoreReadOnlyProperties = true,
    Converters =
    [
        typeof(SnakeCaseEnumConverter<SystemPolicy>),
        typeof(SnakeCaseEnumConverter<OutputMode>),
        typeof(SnakeCaseEnumConverter<ToolsPolicy>),
        typeof(SnakeCaseEnumConverter<FeedbackKind>),
        typeof(SnakeCaseEnumConverter<EndReason>),
        typeof(SnakeCaseEnumConverter<InteractionKind>),
        typeof(SnakeCaseEnumConverter<Arm>),
        typeof(SnakeCaseEnumConverter<FlagKind>),
        typeof(SnakeCaseEnumConverter<RolloutVerdict>),
        typeof(SnakeCaseEnumConverter<TrainingJobStatus>),
        typeof(SnakeCaseEnumConverter<TargetKind>),
        typeof(SnakeCaseEnumConverter<SplitPart>),
        typeof(SnakeCaseEnumConverter<KeyScope>),
        typeof(SnakeCaseEnumConverter<GuardKind>),
        typeof(SnakeCaseEnumConverter<GuardStage>),
        typeof(SnakeCaseEnumConverter<GuardAction>),
        typeof(SnakeCaseEnumConverter<BudgetUnit>),
        typeof(SnakeCaseEnumConverter<BudgetPeriod>),
        typeof(SnakeCaseEnumConverter<StoreFailurePolicy>),
    ])]
[JsonSerializable(typeof(Adapter))]
[JsonSerializable(typeof(ApiKey))]
[JsonSerializable(typeof(AuditEntry))]
[JsonSerializable(typeof(Contract))]
[JsonSerializable(typeof(ContractContent))]
[JsonSerializable(typeof(ContractLabel))]
[JsonSerializable(typeof(ChatMessage))]
[JsonSerializable(typeof(IReadOnlyList<ChatMessage>))]
[JsonSerializable(typeof(GuardPolicy))]
[JsonSerializable(typeof(Interaction))]
[JsonSerializable(typeof(Feedback))]
[JsonSerializable(typeof(Release))]
[JsonSerializable(typeof(Deployment))]
[JsonSerializable(typeof(Rollout))]
[JsonSerializable(typeof(RolloutDecision))]
[JsonSerializable(typeof(TrainingJob))]
[JsonSerializable(typeof(TrainingTarget))]
[JsonSerializable(typeof(SplitState))]
[JsonSerializable(typeof(WorkerRecord))]
public sealed partial class DomainJson : JsonSerializerContext;

/// <summary>Writes enum members as snake_case names and refuses numbers.</summary>
public sealed class SnakeCaseEnumConverter<TEnum>() : JsonStringEnumConverter<TEnum>(JsonNamingPolicy.SnakeCaseLower, allowIntegerValues: false)
    where TEnum : struct, Enum;
