using Gateway.Model.Weights;

namespace Gateway.Bench;

/// <summary>What to measure.</summary>
internal sealed record BenchOptions
{
    /// <summary>Rounds that count; a figure is their median.</summary>
    public const int Rounds = 5;

    /// <summary>Every row there is, in the order of the report.</summary>
    public static readonly IReadOnlyList<string> RowNames =
    [
        "limit_fma_f32", "limit_vnni_int8", "limit_read", "prefill", "decode", "decode_resident", "mixed", "one_adapter",
        "itl_under_prefill", "speculation", "train_lora", "load", "load_cached", "swap",
    ];

    /// <summary>Shapes to make random weights for; not used with <see cref="Model"/>.</summary>
    public required IReadOnlyList<BenchShape> Shapes { get; init; }

    /// <summary>A checkpoint to measure instead, or null.</summary>
    public string? Model { get; init; }

    /// <summary>Formats to measure; the first gets every row, the others the rows of prefill and decode.</summary>
    public required IReadOnlyList<WeightFormat> Weights { get; init; }

    /// <summary>Rows to measure.</summary>
    public required IReadOnlyList<string> Only { get; init; }

    /// <summary>Compute threads.</summary>
    public required int Threads { get; init; }
}
