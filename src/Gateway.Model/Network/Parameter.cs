using Gateway.Model.Numerics;
using Gateway.Model.Weights;

namespace Gateway.Model.Network;

/// <summary>A trainable tensor with its gradient; owns both.</summary>
public sealed class Parameter : IDisposable
{
    /// <summary>Takes ownership of the value and allocates a zero gradient.</summary>
    public Parameter(string name, IReadOnlyList<int> shape, Matrix value)
    {
        (Name, Shape, Value) = (name, shape, value);
        Gradient = new Matrix(value.Rows, value.Columns);
    }

    /// <summary>The tensor's name in a Hugging Face checkpoint or PEFT adapter.</summary>
    public string Name { get; }

    /// <summary>The tensor's shape in the file; a vector has one dimension.</summary>
    public IReadOnlyList<int> Shape { get; }

    /// <summary>Rows of value and gradient; a vector is one row.</summary>
    public int Rows => Value.Rows;

    /// <summary>Columns of value and gradient.</summary>
    public int Columns => Value.Columns;

    /// <summary>The current value.</summary>
    public Matrix Value { get; }

    /// <summary>The gradient accumulated since it was last cleared.</summary>
    public Matrix Gradient { get; }

    /// <summary>The value as a tensor of a file.</summary>
    internal TensorToSave ToSave() => new(Name, Shape, Value);

    /// <inheritdoc/>
    public void Dispose()
    {
        Value.Dispose();
        Gradient.Dispose();
    }
}
