namespace Gateway.Model.Weights;

/// <summary>A weight that a configuration calls for, by its Hugging Face name.</summary>
/// <param name="Name">Name in the checkpoint.</param>
/// <param name="Shape">[out, in] for a matrix, [width] for a norm or bias.</param>
public sealed record ExpectedTensor(string Name, IReadOnlyList<int> Shape)
{
    /// <summary>Rows of the matrix that holds it; a vector is one row.</summary>
    public int Rows => Shape.Count == 1 ? 1 : Shape[0];

    /// <summary>Columns of the matrix that holds it.</summary>
    public int Columns => Shape[^1];

    /// <summary>Every weight of a model with this configuration, in the order of the forward pass.</summary>
    public static IReadOnlyList<ExpectedTensor> All(ModelConfig config)
    {
        var tensors = new List<ExpectedTensor> { new("model.embed_tokens.weight", [config.VocabularySize, config.HiddenSize]) };
        for (var layer = 0; layer < config.LayerCount; layer++)
        {
            tensors.Add(new($"model.layers.{layer}.input_layernorm.weight", [config.HiddenSize]));
            foreach (var projection in Projections.All)
            {
                var path = projection.Path(layer);
                tensors.Add(new($"{path}.weight", [projection.Outputs(config), projection.Inputs(config)]));
                if (projection.HasBias(config))
                {
                    tensors.Add(new($"{path}.bias", [projection.Outputs(config)]));
                }
            }

            if (config.QueryKeyNorm)
            {
                tensors.Add(new($"model.layers.{layer}.self_attn.q_norm.weight", [config.HeadDimension]));
                tensors.Add(new($"model.layers.{layer}.self_attn.k_norm.weight", [config.HeadDimension]));
            }

            tensors.Add(new($"model.layers.{layer}.post_attention_layernorm.weight", [config.HiddenSize]));
        }

        tensors.Add(new("model.norm.weight", [config.HiddenSize]));
        if (!config.TiedEmbeddings)
        {
            tensors.Add(new("lm_head.weight", [config.VocabularySize, config.HiddenSize]));
        }

        return tensors;
    }
}
