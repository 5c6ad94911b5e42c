using System.Buffers;

namespace Gateway.Api.Wire;

/// <summary>
/// A growing buffer in memory of the shared pool, for what is read or written once and forgotten. Whoever disposes it must be
/// through with <see cref="Written"/>: the memory belongs to others then. Not thread-safe.
/// </summary>
/// <param name="capacity">Bytes to begin with; the default takes a request or a reply of ordinary length without growing.</param>
internal sealed class PooledBuffer(int capacity = 8192) : IBufferWriter<byte>, IDisposable
{
    private byte[] _memory = ArrayPool<byte>.Shared.Rent(capacity);

    /// <summary>Bytes written.</summary>
    public int Count { get; private set; }

    /// <summary>What has been written; valid until the next write.</summary>
    public ReadOnlyMemory<byte> Written => _memory.AsMemory(0, Count);

    /// <summary>Forgets what has been written and keeps the memory.</summary>
    public void Clear() => Count = 0;

    /// <inheritdoc/>
    public void Advance(int count) => Count += count;

    /// <inheritdoc/>
    public Memory<byte> GetMemory(int sizeHint = 0)
    {
        Reserve(sizeHint);
        return _memory.AsMemory(Count);
    }

    /// <inheritdoc/>
    public Span<byte> GetSpan(int sizeHint = 0)
    {
        Reserve(sizeHint);
        return _memory.AsSpan(Count);
    }

    /// <summary>Gives the memory back.</summary>
    public void Dispose()
    {
        Count = 0;
        if (_memory.Length > 0)
        {
            ArrayPool<byte>.Shared.Return(_memory);
            _memory = [];
        }
    }

    private void Reserve(int sizeHint)
    {
        if (_memory.Length - Count >= Math.Max(1, sizeHint))
        {
            return;
        }

        var larger = ArrayPool<byte>.Shared.Rent(Math.Max(checked(Count + Math.Max(1, sizeHint)), Math.Min(2 * _memory.Length, Array.MaxLength)));
        _memory.AsSpan(0, Count).CopyTo(larger);
        if (_memory.Length > 0)
        {
            ArrayPool<byte>.Shared.Return(_memory);
        }

        _memory = larger;
    }
}
