using Gateway.Model.Lora;
using Gateway.Model.Network;
using Gateway.Model.Numerics;
using Gateway.Model.Weights;

namespace Gateway.TestKit;

/// <summary>
/// A Hugging Face Llama checkpoint with seeded random weights in a temporary folder: two layers, width 32. Small enough to run
/// in a test, real enough to go through the loaders.
/// </summary>
public sealed class TinyModel : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    /// <summary>Writes the checkpoint.</summary>
    public TinyModel(int vocabulary = 160, int contextLength = 256, int seed = 1)
    {
        Config = new ModelConfig
        {
            Family = ModelFamily.Llama,
            HiddenSize = 32,
            IntermediateSize = 64,
            LayerCount = 2,
            HeadCount = 4,
            KeyValueHeadCount = 2,
            HeadDimension = 8,
            VocabularySize = vocabulary,
            ContextLength = contextLength,
            RmsNormEpsilon = 1e-5f,
            RopeTheta = 10000,
            TiedEmbeddings = false,
        };
        File.WriteAllText(System.IO.Path.Combine(Path, "config.json"), $$"""
            {"architectures":["LlamaForCausalLM"],"model_type":"llama","hidden_size":32,"intermediate_size":64,"num_hidden_layers":2,
             "num_attention_heads":4,"num_key_value_heads":2,"head_dim":8,"vocab_size":{{vocabulary}},"max_position_embeddings":{{contextLength}},
             "rms_norm_eps":1e-05,"rope_theta":10000.0,"tie_word_embeddings":false,"hidden_act":"silu","torch_dtype":"float32"}
            """);
        WriteWeights(new Random(seed));
    }

    /// <summary>The model directory.</summary>
    public string Path => _folder.Path;

    /// <summary>What config.json says.</summary>
    public ModelConfig Config { get; }

    /// <summary>Loads the network.</summary>
    public Transformer Load(Compute compute) => Transformer.Load(Path, compute);

    /// <summary>Writes a PEFT adapter with random weights and returns its folder; equal arguments give an equal generation.</summary>
    /// <param name="seed">Seed of the weights.</param>
    /// <param name="rank">Rank of every module.</param>
    /// <param name="magnitude">Size of the values; 1e30 makes the logits overflow.</param>
    public string WriteAdapter(int seed, int rank = 4, float magnitude = 0.3f)
    {
        var folder = System.IO.Path.Combine(Path, $"adapter-{seed}-{rank}-{magnitude:R}");
        var random = new Random(seed);
        var spec = LoraSpec.Create(rank, rank * 2, Projections.All);
        using var tensors = new LoraTensors(spec, [.. spec.Resolve(Config).Select(target => new LoraFactors(
            target,
            Gaussian(random, rank, target.Projection.Inputs(Config), magnitude),
            Gaussian(random, target.Projection.Outputs(Config), rank, magnitude)))]);
        PeftFile.Save(folder, tensors, SavedType.F32);
        return folder;
    }

    /// <inheritdoc/>
    public void Dispose() => _folder.Dispose();

    private void WriteWeights(Random random)
    {
        var tensors = ExpectedTensor.All(Config).Select(tensor => new TensorToSave(tensor.Name, tensor.Shape, tensor.Shape.Count == 1
            ? Constant(tensor.Columns)
            : Gaussian(random, tensor.Rows, tensor.Columns, 1.5f / MathF.Sqrt(tensor.Columns)))).ToList();
        SafetensorsWriter.Write(System.IO.Path.Combine(Path, "model.safetensors"), tensors, SavedType.F32);
        foreach (var tensor in tensors)
        {
            tensor.Values.Dispose();
        }
    }

    private static Matrix Constant(int columns)
    {
        var matrix = new Matrix(1, columns);
        matrix.Row(0).Fill(1);
        return matrix;
    }

    private static Matrix Gaussian(Random random, int rows, int columns, float deviation)
    {
        var matrix = new Matrix(rows, columns);
        for (var row = 0; row < rows; row++)
        {
            foreach (ref var value in matrix.Row(row))
            {
                // Box-Muller.
                var radius = Math.Sqrt(-2 * Math.Log(1 - random.NextDouble()));
                value = deviation * (float)(radius * Math.Cos(2 * Math.PI * random.NextDouble()));
            }
        }

        return matrix;
    }
}
