using Gateway.Model.Weights;

namespace Gateway.Hosting;

/// <summary>What the host must know of the frozen base model: its public name, identity, shape and the format it is served in.</summary>
public sealed record BaseModel(string Name, string Fingerprint, string WeightFormat, ModelConfig Config)
{
    /// <summary>Reads the identity of the model in <paramref name="folder"/>, which workers elsewhere serve in <paramref name="format"/>.</summary>
    /// <exception cref="ModelFormatException">The folder holds no complete checkpoint.</exception>
    public static BaseModel Read(string name, string folder, WeightFormat format)
    {
        using var checkpoint = Checkpoint.Open(folder);
        return new(name, checkpoint.ComputeFingerprint(), format.Name(), checkpoint.Config);
    }
}
