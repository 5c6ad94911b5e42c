using System.Text.Json.Serialization;
using Gateway.Domain.Json;
using Gateway.Domain.Limits;

namespace Gateway.Limits;

/// <summary>Use of one budget in the period it was last used in.</summary>
internal sealed record StoredBudgetUse(BudgetUnit Unit, BudgetPeriod Per, int Period, double Used);

/// <summary>Use of all budgets of a key, as the embedded store keeps it.</summary>
internal sealed record BudgetUseRecord(IReadOnlyList<StoredBudgetUse> Uses);

[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower,
    Converters = [typeof(SnakeCaseEnumConverter<BudgetUnit>), typeof(SnakeCaseEnumConverter<BudgetPeriod>)])]
[JsonSerializable(typeof(BudgetUseRecord))]
internal sealed partial class LimitsJson : JsonSerializerContext;
