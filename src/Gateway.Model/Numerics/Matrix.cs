namespace Gateway.Model.Numerics;

/// <summary>A row-major f32 matrix in zeroed, 64-byte aligned native memory.</summary>
/// <remarks>The owner disposes it and keeps it reachable while <see cref="Data"/> is in use.</remarks>
public sealed unsafe class Matrix : IDisposable
{
    private float* _data;

    public Matrix(int rows, int columns)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(rows);
        ArgumentOutOfRangeException.ThrowIfNegative(columns);
        Rows = rows;
        Columns = columns;
        _data = AlignedMemory.Allocate((long)rows * columns);
    }

    ~Matrix() => Free();

    public int Rows { get; }

    public int Columns { get; }

    /// <summary>The first element; valid until the matrix is disposed.</summary>
    public float* Data
    {
        get
        {
            ObjectDisposedException.ThrowIf(_data is null, this);
            return _data;
        }
    }

    /// <summary>All elements, row after row; only for matrices below 2³¹ elements.</summary>
    public Span<float> Span => new(Data, checked(Rows * Columns));

    public long Bytes => (long)Rows * Columns * sizeof(float);

    /// <summary>The elements of one row.</summary>
    public Span<float> Row(int row)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(row);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(row, Rows);
        return new Span<float>(Data + ((long)row * Columns), Columns);
    }

    public void Dispose()
    {
        Free();
        GC.SuppressFinalize(this);
    }

    private void Free()
    {
        AlignedMemory.Free(_data);
        _data = null;
    }
}
