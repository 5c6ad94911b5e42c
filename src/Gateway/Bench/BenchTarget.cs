using System.Globalization;

namespace Gateway.Bench;

/// <summary>What a row should reach at least, and whether it does.</summary>
/// <param name="Text">The target in words; empty when there is none.</param>
/// <param name="Met">Whether it is reached; null when there is none.</param>
internal sealed record BenchTarget(string Text, bool? Met)
{
    private static readonly BenchTarget None = new(string.Empty, null);

    /// <summary>The target of a row, which for batches depends on the row of one stream.</summary>
    public static BenchTarget Of(BenchRow row, IReadOnlyList<BenchRow> rows) => row switch
    {
        { Name: "prefill", Weights: "int8" } => Share(row, 0.55),
        { Name: "decode", Weights: "int8", Streams: 1 } => Share(row, 0.85),
        { Name: "decode", Weights: "int4", Streams: 1, Shape: "S" } => Share(row, 0.75),
        { Name: "decode", Weights: "int8", Streams: 8, Shape: "S" } => Batch(row, rows, 6),
        { Name: "decode", Weights: "int8", Streams: 16, Shape: "S" } => Batch(row, rows, 8),
        { Name: "mixed" } => Share(row, 0.77),
        { Name: "one_adapter" } => Share(row, 0.92),
        { Name: "decode_resident" } => Share(row, 0.99),
        { Name: "train_lora" } => Share(row, 0.60),
        { Name: "load", Shape: "S" } => AtMost(row, 3),
        { Name: "load_cached", Shape: "S" } => AtMost(row, 0.3),
        { Name: "itl_under_prefill", Context: < 1000 } => Times(row, 4),
        { Name: "itl_under_prefill" } => Times(row, 3),
        { Name: "speculation" } => AtLeast(row, row.Unit.EndsWith("prose", StringComparison.Ordinal) ? 0.98 : 1.3),
        { Name: "perplexity", Weights: "int8" } => Times(row, 1.005),
        { Name: "perplexity", Weights: "int4" } => Times(row, 1.04),
        _ => None,
    };

    private static BenchTarget Share(BenchRow row, double least) =>
        new(string.Create(CultureInfo.InvariantCulture, $"≥ {100 * least:F0} %"), row.Share >= least);

    private static BenchTarget AtLeast(BenchRow row, double least) =>
        new(string.Create(CultureInfo.InvariantCulture, $"≥ {least}"), row.Value >= least);

    private static BenchTarget AtMost(BenchRow row, double most) =>
        new(string.Create(CultureInfo.InvariantCulture, $"≤ {most} {row.Unit}"), row.Value <= most);

    private static BenchTarget Times(BenchRow row, double most) =>
        new(string.Create(CultureInfo.InvariantCulture, $"≤ {most} × limit"), row.Value <= most * row.Limit);

    private static BenchTarget Batch(BenchRow row, IReadOnlyList<BenchRow> rows, double factor) =>
        rows.FirstOrDefault(other => other.Name == "decode" && other.Streams == 1 && other.Shape == row.Shape && other.Weights == row.Weights) is { } alone
            ? new(string.Create(CultureInfo.InvariantCulture, $"≥ {factor} × 1 stream (is {row.Value / alone.Value:F1})"), row.Value >= factor * alone.Value)
            : None;
}
