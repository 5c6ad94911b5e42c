using Gateway.Model.Numerics;
using Gateway.Model.Weights;

namespace Gateway.Model.Network;

/// <summary>Every weight of a model as trainable parameters, for pretraining; owns them.</summary>
public sealed class TransformerParameters : IDisposable
{
    private readonly Dictionary<string, Parameter> _byName;

    private TransformerParameters(ModelConfig config, IReadOnlyList<Parameter> all)
    {
        (Config, All) = (config, all);
        _byName = all.ToDictionary(parameter => parameter.Name, StringComparer.Ordinal);
        Embedding = this["model.embed_tokens.weight"];
        FinalNorm = this["model.norm.weight"];
        Head = config.TiedEmbeddings ? Embedding : this["lm_head.weight"];
        Layers = [.. Enumerable.Range(0, config.LayerCount).Select(layer => new LayerParameters(this, layer))];
    }

    /// <summary>The model's configuration.</summary>
    public ModelConfig Config { get; }

    /// <summary>All parameters in the order of the forward pass.</summary>
    public IReadOnlyList<Parameter> All { get; }

    /// <summary>The parameter with a Hugging Face tensor name.</summary>
    public Parameter this[string name] => _byName[name];

    internal Parameter Embedding { get; }

    internal Parameter FinalNorm { get; }

    internal Parameter Head { get; }

    internal IReadOnlyList<LayerParameters> Layers { get; }

    /// <summary>
    /// Random parameters: matrices normal with deviation 0.02, those that write to the residual stream divided by √(2L)
    /// (GPT-2's rule), norms 1, biases 0.
    /// </summary>
    public static TransformerParameters Create(ModelConfig config, ulong seed)
    {
        const double Deviation = 0.02;
        var random = new ParameterRandom(seed);
        return new TransformerParameters(config, [.. ExpectedTensor.All(config).Select(tensor =>
        {
            var value = new Matrix(tensor.Rows, tensor.Columns);
            if (tensor.Name.EndsWith("norm.weight", StringComparison.Ordinal))
            {
                value.Span.Fill(1);
            }
            else if (tensor.Shape.Count == 2)
            {
                var writesToStream = tensor.Name.EndsWith("o_proj.weight", StringComparison.Ordinal) || tensor.Name.EndsWith("down_proj.weight", StringComparison.Ordinal);
                random.FillNormal(value, writesToStream ? Deviation / Math.Sqrt(2.0 * config.LayerCount) : Deviation);
            }

            return new Parameter(tensor.Name, tensor.Shape, value);
        })]);
    }

    /// <summary>Reads the parameters of a Hugging Face model directory.</summary>
    /// <exception cref="ModelFormatException">The directory cannot be used; the message says what to do.</exception>
    public static TransformerParameters FromCheckpoint(string directory)
    {
        using var checkpoint = Checkpoint.Open(directory);
        return new TransformerParameters(checkpoint.Config, [.. ExpectedTensor.All(checkpoint.Config)
            .Select(tensor => new Parameter(tensor.Name, tensor.Shape, checkpoint.Read(tensor)))]);
    }

    /// <summary>Writes config.json and model.safetensors; tokenizer files are the caller's.</summary>
    /// <exception cref="ModelFormatException">A value is NaN or infinite.</exception>
    public void Save(string directory, SavedType type)
    {
        Directory.CreateDirectory(directory);
        SafetensorsWriter.Write(Path.Combine(directory, "model.safetensors"), All.Select(parameter => parameter.ToSave()), type);
        ModelConfigFile.Write(directory, Config, type);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var parameter in All)
        {
            parameter.Dispose();
        }
    }
}

/// <summary>The parameters of one layer, found once so that the backward pass looks up no names.</summary>
internal sealed class LayerParameters
{
    private readonly Parameter[] _weights;
    private readonly Parameter?[] _biases;

    /// <summary>Finds the parameters of a layer.</summary>
    public LayerParameters(TransformerParameters parameters, int layer)
    {
        var config = parameters.Config;
        InputNorm = parameters[$"model.layers.{layer}.input_layernorm.weight"];
        PostNorm = parameters[$"model.layers.{layer}.post_attention_layernorm.weight"];
        QueryNorm = config.QueryKeyNorm ? parameters[$"model.layers.{layer}.self_attn.q_norm.weight"] : null;
        KeyNorm = config.QueryKeyNorm ? parameters[$"model.layers.{layer}.self_attn.k_norm.weight"] : null;
        _weights = [.. Projections.All.Select(projection => parameters[$"{projection.Path(layer)}.weight"])];
        _biases = [.. Projections.All.Select(projection => projection.HasBias(config) ? parameters[$"{projection.Path(layer)}.bias"] : null)];
    }

    public Parameter InputNorm { get; }

    public Parameter PostNorm { get; }

    public Parameter? QueryNorm { get; }

    public Parameter? KeyNorm { get; }

    public Parameter Weight(Projection projection) => _weights[(int)projection];

    public Parameter? Bias(Projection projection) => _biases[(int)projection];
}
