using Gateway.Model.Weights;

namespace Gateway.Model.Lora;

/// <summary>One linear map that an adapter changes: y += Scale · B (A x) with A [Rank, in] and B [out, Rank].</summary>
public sealed record LoraTarget(int Layer, Projection Projection, int Rank, float Scale)
{
    /// <summary>The module's path in the base model.</summary>
    public string Path => Projection.Path(Layer);

    /// <summary>Name of A in adapter_model.safetensors.</summary>
    public string NameOfA => $"base_model.model.{Path}.lora_A.weight";

    /// <summary>Name of B in adapter_model.safetensors.</summary>
    public string NameOfB => $"base_model.model.{Path}.lora_B.weight";
}
