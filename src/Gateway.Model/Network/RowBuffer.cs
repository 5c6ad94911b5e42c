using Gateway.Model.Numerics;

namespace Gateway.Model.Network;

/// <summary>Scratch rows of f32 that only grow, so that steady-state steps allocate nothing.</summary>
internal sealed unsafe class RowBuffer : IDisposable
{
    private Matrix? _matrix;

    /// <summary>The first row; valid until the next <see cref="Reserve"/>.</summary>
    public float* Data => _matrix is null ? null : _matrix.Data;

    /// <summary>Native memory in bytes.</summary>
    public long Bytes => _matrix?.Bytes ?? 0;

    /// <summary>Makes room for rows × width values; the contents are undefined after growing.</summary>
    public void Reserve(int rows, int width)
    {
        if (_matrix is null || (long)_matrix.Rows * _matrix.Columns < (long)rows * width)
        {
            _matrix?.Dispose();
            _matrix = new Matrix(rows, width);
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _matrix?.Dispose();
}
