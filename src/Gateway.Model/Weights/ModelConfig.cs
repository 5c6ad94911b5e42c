namespace Gateway.Model.Weights;

/// <summary>The decoder families whose maths this project implements.</summary>
public enum ModelFamily
{
    /// <summary>Llama 2/3, SmolLM2 and everything published as LlamaForCausalLM.</summary>
    Llama,

    /// <summary>Qwen2 and Qwen2.5: biases on q, k and v.</summary>
    Qwen2,

    /// <summary>Qwen3: RMS norms on every q and k head, free head dimension.</summary>
    Qwen3,
}

/// <summary>Frequency scaling of Llama 3.1 and later (rope_type "llama3").</summary>
public sealed record Llama3RopeScaling(double Factor, double LowFrequencyFactor, double HighFrequencyFactor, int OriginalContext);

/// <summary>The fields of a Hugging Face config.json that change the network's maths; immutable.</summary>
public sealed record ModelConfig
{
    /// <summary>The decoder family.</summary>
    public required ModelFamily Family { get; init; }

    /// <summary>Width H of the residual stream.</summary>
    public required int HiddenSize { get; init; }

    /// <summary>Width I of the feed-forward layer.</summary>
    public required int IntermediateSize { get; init; }

    /// <summary>Number L of layers.</summary>
    public required int LayerCount { get; init; }

    /// <summary>Number of query heads.</summary>
    public required int HeadCount { get; init; }

    /// <summary>Number of key/value heads; divides <see cref="HeadCount"/>.</summary>
    public required int KeyValueHeadCount { get; init; }

    /// <summary>Width d of one head.</summary>
    public required int HeadDimension { get; init; }

    /// <summary>Number V of token ids.</summary>
    public required int VocabularySize { get; init; }

    /// <summary>Longest sequence in tokens.</summary>
    public required int ContextLength { get; init; }

    /// <summary>Epsilon of every RMS norm.</summary>
    public required float RmsNormEpsilon { get; init; }

    /// <summary>Base θ of the rotary embedding.</summary>
    public required double RopeTheta { get; init; }

    /// <summary>Linear RoPE divisor; 1 when absent.</summary>
    public double RopeLinearFactor { get; init; } = 1;

    /// <summary>Llama 3 RoPE scaling, or null.</summary>
    public Llama3RopeScaling? RopeScaling { get; init; }

    /// <summary>True when the output head is the embedding matrix.</summary>
    public required bool TiedEmbeddings { get; init; }

    /// <summary>True when q, k and v carry biases.</summary>
    public bool QueryKeyValueBias { get; init; }

    /// <summary>True when o_proj carries a bias (Llama with attention_bias).</summary>
    public bool OutputBias { get; init; }

    /// <summary>True when every q and k head is RMS-normalised before RoPE (Qwen3).</summary>
    public bool QueryKeyNorm { get; init; }

    /// <summary>End-of-sequence ids: the union of config.json and generation_config.json.</summary>
    public IReadOnlyList<int> EndTokens { get; init; } = [];

    /// <summary>Number of weights, a tied head counted once.</summary>
    public long ParameterCount => ExpectedTensor.All(this).Sum(tensor => tensor.Shape.Aggregate(1L, (product, size) => product * size));

    /// <summary>Width of the concatenated query heads.</summary>
    public int QueryWidth => HeadCount * HeadDimension;

    /// <summary>Width of the concatenated key (or value) heads.</summary>
    public int KeyValueWidth => KeyValueHeadCount * HeadDimension;
}
