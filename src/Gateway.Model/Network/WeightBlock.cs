using Gateway.Model.Numerics;
using Gateway.Model.Weights;

namespace Gateway.Model.Network;

/// <summary>
/// The memory of all linear maps of a model, handed out in the order in which a forward pass reads them, so that decoding
/// streams through one block from start to end. Models in f32 give every map memory of its own instead, because the
/// trainer packs them one by one.
/// </summary>
internal sealed unsafe class WeightBlock : IDisposable
{
    private readonly WeightFormat _format;
    private byte* _memory;
    private long _taken;

    /// <summary>Allocates the block for a model.</summary>
    public WeightBlock(ModelConfig config, WeightFormat format)
    {
        _format = format;
        var layer = Projections.All.Sum(projection => LinearWeights.BytesFor(projection.Inputs(config), projection.Outputs(config), format));
        var table = LinearWeights.BytesFor(config.HiddenSize, config.VocabularySize, TableFormat);
        Bytes = (config.LayerCount * layer) + (table * (config.TiedEmbeddings ? 1 : 2));
        _memory = format == WeightFormat.F32 ? null : AlignedMemory.AllocateBytes(Bytes);
    }

    ~WeightBlock() => Free();

    /// <summary>Memory of all linear maps.</summary>
    public long Bytes { get; }

    /// <summary>The whole block; empty for f32.</summary>
    public byte* Data => _memory;

    /// <summary>The format of embeddings and head: 4 bits are too few for them.</summary>
    private WeightFormat TableFormat => _format == WeightFormat.Int4 ? WeightFormat.Int8 : _format;

    /// <summary>The next linear map of a layer.</summary>
    public Linear Take(Compute compute, int inputs, int outputs, bool hasBias) => Take(compute, inputs, outputs, hasBias, _format);

    /// <summary>The next table of vocabulary × hidden: embeddings or head.</summary>
    public Linear TakeTable(Compute compute, ModelConfig config) => Take(compute, config.HiddenSize, config.VocabularySize, hasBias: false, TableFormat);

    /// <inheritdoc/>
    public void Dispose()
    {
        Free();
        GC.SuppressFinalize(this);
    }

    private Linear Take(Compute compute, int inputs, int outputs, bool hasBias, WeightFormat format)
    {
        var place = _memory is null ? null : _memory + _taken;
        _taken += LinearWeights.BytesFor(inputs, outputs, format);
        return new Linear(compute, inputs, outputs, hasBias, format, place);
    }

    private void Free()
    {
        AlignedMemory.Free(_memory);
        _memory = null;
    }
}
