using Gateway.Model.Lora;
using Gateway.Model.Numerics;
using Gateway.Model.Weights;

namespace Gateway.Model.Network;

/// <summary>An adapter as trainable parameters; owns them. Dropout of the spec is recorded when saving but not applied.</summary>
public sealed class LoraParameters : IDisposable
{
    private readonly LoraTensors _tensors;
    private readonly TrainableFactors?[] _places;

    /// <summary>Makes an adapter trainable; takes ownership of the tensors.</summary>
    public LoraParameters(LoraTensors tensors)
    {
        _tensors = tensors;
        var trainable = tensors.Factors.Select(factors => new TrainableFactors(factors)).ToList();
        All = [.. trainable.SelectMany(factors => (Parameter[])[factors.A, factors.B])];
        _places = new TrainableFactors?[(tensors.Factors.Max(factors => factors.Target.Layer) + 1) * Projections.Count];
        foreach (var factors in trainable)
        {
            _places[(factors.Target.Layer * Projections.Count) + (int)factors.Target.Projection] = factors;
        }

        Pairs = new LoraPairs(tensors.Factors);
    }

    /// <summary>A and B of every module, by PEFT tensor name, in the order of the forward pass.</summary>
    public IReadOnlyList<Parameter> All { get; }

    /// <summary>What adapter_config.json will say.</summary>
    public LoraSpec Spec => _tensors.Spec;

    /// <summary>The packing of the current values for the forward pass; brought up to date by <see cref="Refresh"/>.</summary>
    internal LoraPairs Pairs { get; }

    /// <summary>A fresh adapter that changes nothing yet: A uniform in ±1/√in (PEFT's default), B zero.</summary>
    public static LoraParameters Create(LoraSpec spec, ModelConfig config, ulong seed)
    {
        var random = new ParameterRandom(seed);
        return new LoraParameters(new LoraTensors(spec, [.. spec.Resolve(config).Select(target =>
        {
            var (inputs, outputs) = (target.Projection.Inputs(config), target.Projection.Outputs(config));
            var a = new Matrix(target.Rank, inputs);
            random.FillUniform(a, 1 / Math.Sqrt(inputs));
            return new LoraFactors(target, a, new Matrix(outputs, target.Rank));
        })]));
    }

    /// <summary>Reads a PEFT adapter to train it further.</summary>
    /// <exception cref="InvalidAdapterException">The adapter breaks a rule or does not fit the base model.</exception>
    public static LoraParameters Load(string directory, ModelConfig config, AdapterLimits limits)
        => new(PeftFile.Read(directory, config, limits));

    /// <summary>A packed copy of the current values for serving; the caller owns it.</summary>
    public LoraWeights ToLora(WeightFormat format = WeightFormat.F32) => new(_tensors, format);

    /// <summary>Writes the current values as a PEFT adapter.</summary>
    /// <exception cref="InvalidAdapterException">A value is NaN or infinite.</exception>
    public void Save(string directory, SavedType type) => PeftFile.Save(directory, _tensors, type);

    /// <summary>The trainable factors at a place, or null when the adapter leaves it alone.</summary>
    internal TrainableFactors? Find(int layer, Projection projection)
    {
        var index = (layer * Projections.Count) + (int)projection;
        return index < _places.Length ? _places[index] : null;
    }

    /// <summary>Packs the current values for the next forward and backward pass.</summary>
    internal void Refresh()
    {
        Pairs.Pack(_tensors.Factors);
        foreach (var factors in _places)
        {
            factors?.Pack();
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var factors in _places)
        {
            factors?.Dispose();
        }

        Pairs.Dispose();
    }
}

/// <summary>The factors of one module with gradients and the packing of the backward pass; owns the matrices.</summary>
internal sealed class TrainableFactors : IDisposable
{
    /// <summary>Takes ownership of A and B.</summary>
    public TrainableFactors(LoraFactors factors)
    {
        Target = factors.Target;
        A = new Parameter(Target.NameOfA, [factors.A.Rows, factors.A.Columns], factors.A);
        B = new Parameter(Target.NameOfB, [factors.B.Rows, factors.B.Columns], factors.B);
        BackwardA = new PackedMatrix(A.Rows, A.Columns);
        BackwardB = new PackedMatrix(B.Rows, B.Columns);
    }

    /// <summary>Where and how strongly the factors act.</summary>
    public LoraTarget Target { get; }

    /// <summary>A [rank, in].</summary>
    public Parameter A { get; }

    /// <summary>B [out, rank].</summary>
    public Parameter B { get; }

    /// <summary>A as depth rank, width in.</summary>
    public PackedMatrix BackwardA { get; }

    /// <summary>B as depth out, width rank.</summary>
    public PackedMatrix BackwardB { get; }

    /// <summary>Packs the current values for the backward pass.</summary>
    public unsafe void Pack()
    {
        BackwardA.Pack(A.Value.Data, A.Columns);
        BackwardB.Pack(B.Value.Data, B.Columns);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        A.Dispose();
        B.Dispose();
        BackwardA.Dispose();
        BackwardB.Dispose();
    }
}
