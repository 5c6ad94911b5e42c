namespace Gateway.Model.Lora;

/// <summary>
/// A loaded adapter, packed for serving. Immutable, so any number of forward passes may share it; the owner disposes it
/// after the last one.
/// </summary>
public sealed class LoraWeights : IDisposable
{
    /// <summary>Packs an adapter; the tensors stay the caller's.</summary>
    public LoraWeights(LoraTensors tensors)
    {
        Spec = tensors.Spec;
        Generation = tensors.ComputeGeneration();
        Pairs = new LoraPairs(tensors.Factors);
    }

    /// <summary>The parsed adapter_config.json.</summary>
    public LoraSpec Spec { get; }

    /// <summary>The content hash that identifies this adapter: 64 hexadecimal digits.</summary>
    public string Generation { get; }

    /// <summary>Largest rank of any module.</summary>
    public int Rank => Pairs.Rank;

    /// <summary>Native memory in bytes.</summary>
    public long Bytes => Pairs.Bytes;

    /// <summary>The packed modules.</summary>
    internal LoraPairs Pairs { get; }

    /// <inheritdoc/>
    public void Dispose() => Pairs.Dispose();
}
