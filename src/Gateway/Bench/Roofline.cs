using Gateway.Model.Weights;

namespace Gateway.Bench;

/// <summary>
/// What the machine allows at best for each kind of work: the slower of arithmetic and memory (Williams, Waterman and
/// Patterson 2009). Pure arithmetic over measured rates; conventions stand at each member.
/// </summary>
/// <param name="FmaF32">f32 operations per second.</param>
/// <param name="Int8">Operations of 8-bit dot products per second.</param>
/// <param name="Read">Bytes read per second.</param>
internal sealed record Roofline(double FmaF32, double Int8, double Read)
{
    private const double KeyValueBytes = 2;
    private const double NormBytes = 4;
    private const double AdapterBytes = 2;

    /// <summary>Bytes that one weight of a format costs to read, its share of the scales included: one 16-bit scale for 32 weights.</summary>
    public static double BytesPerWeight(WeightFormat format) => format switch
    {
        WeightFormat.F32 => 4,
        WeightFormat.BF16 => 2,
        WeightFormat.Int8 => 1.0625,
        _ => 0.5625,
    };

    /// <summary>Bytes that every decode step reads once: linear maps and head (int8 when the layers are int4), norms in f32.</summary>
    public static double WeightBytes(BenchShape shape, WeightFormat format) =>
        (shape.LayerWeights * BytesPerWeight(format))
        + (shape.HeadWeights * BytesPerWeight(format == WeightFormat.Int4 ? WeightFormat.Int8 : format))
        + (shape.VectorWeights * NormBytes);

    /// <summary>Bytes of keys and values of one sequence, counted as 16-bit numbers whatever is stored.</summary>
    public static double CacheBytes(BenchShape shape, double context) =>
        2.0 * shape.Config.LayerCount * shape.Config.KeyValueWidth * context * KeyValueBytes;

    /// <summary>Bytes of the distinct adapters that a step touches, counted as 16-bit numbers.</summary>
    public static double BytesOf(long adapterParameters, int adapters) => adapterParameters * AdapterBytes * adapters;

    /// <summary>Prompt tokens per second: two operations for each layer weight and token, the head once for the last row, attention not counted.</summary>
    public double PrefillRate(BenchShape shape, WeightFormat format, int tokens) =>
        tokens * PeakOf(format) / (2.0 * ((shape.LayerWeights * (double)tokens) + shape.HeadWeights));

    /// <summary>Tokens per second of all streams together, each at the mean context: weights are read once a step, keys and values once a stream.</summary>
    public double DecodeRate(BenchShape shape, WeightFormat format, int streams, double context)
    {
        var reading = (WeightBytes(shape, format) + (streams * CacheBytes(shape, context))) / Read;
        var computing = 2.0 * (shape.LayerWeights + shape.HeadWeights) * streams / PeakOf(format);
        return streams / Math.Max(reading, computing);
    }

    /// <summary>Tokens per second of a LoRA step: forward, and backward through frozen weights, are two operations each; loss on all positions.</summary>
    public double TrainRate(BenchShape shape) => FmaF32 / (4.0 * (shape.LayerWeights + shape.HeadWeights));

    /// <summary>f32 and bf16 weights are multiplied in f32, quantized ones as 8-bit integers.</summary>
    private double PeakOf(WeightFormat format) => format is WeightFormat.F32 or WeightFormat.BF16 ? FmaF32 : Int8;
}
