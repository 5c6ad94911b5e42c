using Gateway.Model.Weights;

namespace Gateway.Bench;

/// <summary>A network's shape for measurements: what the bench makes random weights for, or that of a checkpoint.</summary>
/// <param name="Name">S, Q, or the name of a checkpoint's folder.</param>
/// <param name="Config">The network's configuration.</param>
internal sealed record BenchShape(string Name, ModelConfig Config)
{
    /// <summary>30 layers of 576: 106 M weights in layers, a tied head of 28 M (the shape of SmolLM2-135M).</summary>
    public static BenchShape S { get; } = new("S", new ModelConfig
    {
        Family = ModelFamily.Llama,
        HiddenSize = 576,
        IntermediateSize = 1536,
        LayerCount = 30,
        HeadCount = 9,
        KeyValueHeadCount = 3,
        HeadDimension = 64,
        VocabularySize = 49_152,
        ContextLength = 8192,
        RmsNormEpsilon = 1e-5f,
        RopeTheta = 10_000,
        TiedEmbeddings = true,
    });

    /// <summary>24 layers of 896: 358 M weights in layers, a tied head of 136 M, biases on q, k and v (the shape of Qwen2.5-0.5B).</summary>
    public static BenchShape Q { get; } = new("Q", new ModelConfig
    {
        Family = ModelFamily.Qwen2,
        HiddenSize = 896,
        IntermediateSize = 4864,
        LayerCount = 24,
        HeadCount = 14,
        KeyValueHeadCount = 2,
        HeadDimension = 64,
        VocabularySize = 151_936,
        ContextLength = 8192,
        RmsNormEpsilon = 1e-6f,
        RopeTheta = 1_000_000,
        TiedEmbeddings = true,
        QueryKeyValueBias = true,
    });

    /// <summary>The shapes by name.</summary>
    public static IReadOnlyList<BenchShape> All { get; } = [S, Q];

    /// <summary>The shape of a checkpoint, under its folder's name.</summary>
    /// <exception cref="ModelFormatException">The folder holds no complete checkpoint.</exception>
    public static BenchShape Of(string folder)
    {
        using var checkpoint = Checkpoint.Open(folder);
        return new BenchShape(Path.GetFileName(Path.TrimEndingDirectorySeparator(Path.GetFullPath(folder))), checkpoint.Config);
    }

    /// <summary>Weights of the linear maps in all layers, without biases and norms.</summary>
    public long LayerWeights => Config.LayerCount * Projections.All.Sum(projection => (long)projection.Inputs(Config) * projection.Outputs(Config));

    /// <summary>Weights of the output head, which a tied embedding is, too.</summary>
    public long HeadWeights => (long)Config.VocabularySize * Config.HiddenSize;

    /// <summary>Weights of norms and biases, which stay f32 in every format.</summary>
    public long VectorWeights => Config.ParameterCount - LayerWeights - (HeadWeights * (Config.TiedEmbeddings ? 1 : 2));
}
