namespace Gateway.Model.Numerics;

/// <summary>Aligned memory that grows to the largest request and is reused; its content is undefined.</summary>
internal sealed unsafe class Scratch : IDisposable
{
    private float* _data;
    private long _count;

    ~Scratch() => Free();

    /// <summary>Room for <paramref name="count"/> floats; earlier pointers become invalid when it grows.</summary>
    public float* Reserve(long count)
    {
        if (count > _count || _data is null)
        {
            Free();
            _data = AlignedMemory.Allocate(count);
            _count = count;
        }

        return _data;
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
        _count = 0;
    }
}
