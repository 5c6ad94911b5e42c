using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Gateway.Model.Network;

/// <summary>
/// A pinned array that only grows, and then to twice its size, so that steps allocate nothing while contexts grow; its pointer
/// changes when it grows.
/// </summary>
internal sealed unsafe class PinnedBuffer<T>
    where T : unmanaged
{
    private const int Smallest = 64;

    private T[] _items = [];

    /// <summary>The first item; valid until the next <see cref="Reserve"/>.</summary>
    public T* Data => (T*)Unsafe.AsPointer(ref MemoryMarshal.GetArrayDataReference(_items));

    /// <summary>Makes room for <paramref name="count"/> items; the contents are undefined after growing.</summary>
    public void Reserve(int count)
    {
        if (_items.Length < count)
        {
            _items = GC.AllocateUninitializedArray<T>(Math.Max(count, Math.Max(Smallest, 2 * _items.Length)), pinned: true);
        }
    }

    /// <summary>The first <paramref name="count"/> items.</summary>
    public Span<T> Span(int count) => _items.AsSpan(0, count);
}
