using System.Text.Json;
using System.Text.Json.Serialization;
using Gateway.Training.Evaluation;

namespace Gateway.Demo;

/// <summary>A gain with its interval.</summary>
public sealed record DemoGain(double Value, double Low, double High);

/// <summary>Everything the demo measured; the file written by <c>--json</c>.</summary>
public sealed record DemoReport
{
    /// <summary>Share of schema-valid replies to the held-out messages before learning.</summary>
    public required Interval SchemaValidBefore { get; init; }

    /// <summary>The same after promotion.</summary>
    public required Interval SchemaValidAfter { get; init; }

    /// <summary>Share of held-out messages whose parsed intent is right, before.</summary>
    public required Interval AccuracyBefore { get; init; }

    /// <summary>The same after promotion.</summary>
    public required Interval AccuracyAfter { get; init; }

    /// <summary>Paired gain.</summary>
    public required DemoGain AccuracyGain { get; init; }

    /// <summary>Share of the most frequent intent among the held-out messages.</summary>
    public required double MajorityShare { get; init; }

    /// <summary>Accuracy of naive Bayes on the same corrections.</summary>
    public required double BagOfWordsAccuracy { get; init; }

    /// <summary>Share of each intent's held-out messages that are answered right after promotion.</summary>
    public required IReadOnlyDictionary<string, double> Recall { get; init; }

    /// <summary>Time per output token, p99, without a training run, milliseconds.</summary>
    public required double TpotP99Idle { get; init; }

    /// <summary>Time per output token, p99, while a training run was under way, milliseconds.</summary>
    public required double TpotP99Training { get; init; }

    /// <summary>True when the statistics rolled the permuted-label adapter back.</summary>
    public required bool HarmfulRolledBack { get; init; }

    /// <summary>Pairs analysed when it was rolled back.</summary>
    public required int HarmfulPairs { get; init; }

    /// <summary>From the rollback call to the first reply carrying the previous generation.</summary>
    public required double ManualRollbackMs { get; init; }

    /// <summary>Length of the whole demo.</summary>
    public required double Seconds { get; init; }
}

/// <summary>JSON of <see cref="DemoReport"/>.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower, WriteIndented = true)]
[JsonSerializable(typeof(DemoReport))]
internal sealed partial class DemoJson : JsonSerializerContext;
