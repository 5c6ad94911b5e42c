using System.Text.Json.Nodes;
using Gateway.Model.Lora;
using Gateway.Model.Network;
using Gateway.Model.Numerics;
using Gateway.Model.Weights;

namespace Gateway.TestKit;

/// <summary>
/// A Hugging Face Llama checkpoint with seeded random weights, a byte-level tokenizer and a chat template in a temporary
/// folder: two layers, width 32. Small enough to run in a test, real enough to go through the loaders.
/// </summary>
public sealed class TinyModel : IDisposable
{
    /// <summary>The token that ends a message; id 0.</summary>
    public const string EndToken = "<|end|>";

    /// <summary>The token that starts a message; id 1.</summary>
    public const string StartToken = "<|start|>";

    private const string ChatTemplate =
        "{% for message in messages %}<|start|>{{ message['role'] }}\\n{{ message['content'] }}<|end|>{% endfor %}{% if add_generation_prompt %}<|start|>assistant\\n{% endif %}";

    private readonly TemporaryFolder _folder = new();

    /// <summary>Writes the model directory.</summary>
    /// <param name="contextLength">In tokens.</param>
    /// <param name="seed">Of the weights.</param>
    /// <param name="markers">Texts that get tokens of their own behind all others, not special ones.</param>
    public TinyModel(int contextLength = 256, int seed = 1, params string[] markers)
    {
        var vocabulary = WriteTokenizer(markers);
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
            EndTokens = [0],
        };
        File.WriteAllText(System.IO.Path.Combine(Path, "config.json"), $$"""
            {"architectures":["LlamaForCausalLM"],"model_type":"llama","hidden_size":32,"intermediate_size":64,"num_hidden_layers":2,
             "num_attention_heads":4,"num_key_value_heads":2,"head_dim":8,"vocab_size":{{vocabulary}},"max_position_embeddings":{{contextLength}},
             "rms_norm_eps":1e-05,"rope_theta":10000.0,"tie_word_embeddings":false,"eos_token_id":0,"hidden_act":"silu","torch_dtype":"float32"}
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

    /// <summary>Two special tokens, the 256 bytes in GPT-2's alphabet, a few merges and the markers; returns the size.</summary>
    private int WriteTokenizer(string[] markers)
    {
        var printable = Enumerable.Range('!', '~' - '!' + 1).Concat(Enumerable.Range(0xA1, 0xAC - 0xA1 + 1)).Concat(Enumerable.Range(0xAE, 0xFF - 0xAE + 1)).ToHashSet();
        var moved = 0;
        var alphabet = Enumerable.Range(0, 256).Select(value => ((char)(printable.Contains(value) ? value : 256 + moved++)).ToString()).ToList();
        string[][] merges = [["t", "h"], ["th", "e"], ["\u0120", "the"], ["o", "x"]];
        string[] tokens = [EndToken, StartToken, .. alphabet, .. merges.Select(merge => merge[0] + merge[1]), .. markers];
        JsonObject Added(int id) => new() { ["id"] = id, ["content"] = tokens[id], ["special"] = id < 2, ["normalized"] = false, ["single_word"] = false, ["lstrip"] = false, ["rstrip"] = false };
        JsonObject ByteLevel() => new() { ["type"] = "ByteLevel", ["add_prefix_space"] = false, ["trim_offsets"] = true, ["use_regex"] = true };
        var json = new JsonObject
        {
            ["version"] = "1.0",
            ["added_tokens"] = new JsonArray([Added(0), Added(1), .. markers.Select((_, index) => Added(tokens.Length - markers.Length + index))]),
            ["normalizer"] = null,
            ["pre_tokenizer"] = ByteLevel(),
            ["post_processor"] = null,
            ["decoder"] = ByteLevel(),
            ["model"] = new JsonObject
            {
                ["type"] = "BPE",
                ["vocab"] = new JsonObject(tokens.Select((token, id) => KeyValuePair.Create(token, (JsonNode?)id))),
                ["merges"] = new JsonArray([.. merges.Select(merge => (JsonNode)new JsonArray(merge[0], merge[1]))]),
            },
        };
        File.WriteAllText(System.IO.Path.Combine(Path, "tokenizer.json"), json.ToJsonString());
        File.WriteAllText(System.IO.Path.Combine(Path, "tokenizer_config.json"), $$"""{"eos_token":"{{EndToken}}","chat_template":"{{ChatTemplate}}"}""");
        return tokens.Length;
    }

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
