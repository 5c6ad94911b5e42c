using Gateway.Model.Numerics;
using Gateway.Model.Weights;

namespace Gateway.Model.Lora;

/// <summary>
/// A loaded adapter, packed for serving. Immutable, so any number of forward passes may share it; the owner disposes it
/// after the last one.
/// </summary>
/// <remarks>
/// Everything lies in one block of memory in the order of the forward pass. The A factors of projections that read the
/// same input (q, k, v; gate, up) are one matrix, so that a row is multiplied once for all of them; ranks are not padded.
/// </remarks>
public sealed unsafe class LoraWeights : IDisposable
{
    private readonly LoraStack?[] _stacks;
    private byte* _memory;

    /// <summary>Packs an adapter; the tensors stay the caller's.</summary>
    /// <param name="tensors">The adapter.</param>
    /// <param name="format"><see cref="WeightFormat.F32"/> keeps the values; every other format rounds them to bfloat16.</param>
    public LoraWeights(LoraTensors tensors, WeightFormat format = WeightFormat.F32)
    {
        Spec = tensors.Spec;
        Generation = tensors.ComputeGeneration();
        var groups = tensors.Factors.GroupBy(factors => (factors.Target.Layer, Inputs: LinearGroups.Of(factors.Target.Projection))).ToList();
        Bytes = groups.Sum(group => LoraStack.BytesFor([.. group], format));
        _memory = AlignedMemory.AllocateBytes(Bytes);
        _stacks = new LoraStack?[(groups.Max(group => group.Key.Layer) + 1) * LinearGroups.Count];
        var next = _memory;
        foreach (var group in groups)
        {
            var stack = new LoraStack([.. group], format, ref next);
            _stacks[(group.Key.Layer * LinearGroups.Count) + (int)group.Key.Inputs] = stack;
            Rank = Math.Max(Rank, stack.Modules.Max(module => module.Rank));
            StackedRank = Math.Max(StackedRank, stack.Down.Width);
        }
    }

    ~LoraWeights() => Free();

    /// <summary>The parsed adapter_config.json.</summary>
    public LoraSpec Spec { get; }

    /// <summary>The content hash that identifies this adapter: 64 hexadecimal digits.</summary>
    public string Generation { get; }

    /// <summary>Largest rank of any module.</summary>
    public int Rank { get; }

    /// <summary>Native memory in bytes.</summary>
    public long Bytes { get; }

    /// <summary>Largest sum of the ranks of projections that share their input.</summary>
    internal int StackedRank { get; }

    /// <summary>The factors at a place, or null when the adapter leaves it alone.</summary>
    internal LoraStack? Find(int layer, LinearGroup group)
    {
        var index = (layer * LinearGroups.Count) + (int)group;
        return index < _stacks.Length ? _stacks[index] : null;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Free();
        GC.SuppressFinalize(this);
    }

    private void Free()
    {
        AlignedMemory.Free(_memory);
        _memory = null;
        Array.Clear(_stacks);
    }
}
