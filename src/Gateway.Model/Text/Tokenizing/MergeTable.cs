using System.Numerics;

namespace Gateway.Model.Text.Tokenizing;

/// <summary>Rank and result of every merge, by the pair of ids; open addressing, read-only after construction.</summary>
internal sealed class MergeTable
{
    private readonly ulong[] _keys;
    private readonly (int Rank, int Id)[] _values;
    private readonly int _shift;

    /// <summary>Takes merges in rank order; a pair named twice keeps its last rank.</summary>
    public MergeTable(IReadOnlyList<(int Left, int Right, int Id)> merges)
    {
        var size = (int)BitOperations.RoundUpToPowerOf2((uint)Math.Max(4, merges.Count * 2));
        _keys = new ulong[size];
        _values = new (int, int)[size];
        _shift = 64 - BitOperations.Log2((uint)size);
        for (var rank = 0; rank < merges.Count; rank++)
        {
            var slot = Slot(Key(merges[rank].Left, merges[rank].Right));
            _keys[slot] = Key(merges[rank].Left, merges[rank].Right);
            _values[slot] = (rank, merges[rank].Id);
        }
    }

    public bool TryGet(int left, int right, out int rank, out int id)
    {
        var key = Key(left, right);
        var slot = Slot(key);
        (rank, id) = _values[slot];
        return _keys[slot] == key;
    }

    /// <summary>Never 0, which marks an empty slot.</summary>
    private static ulong Key(int left, int right) => ((ulong)(uint)(left + 1) << 32) | (uint)(right + 1);

    private int Slot(ulong key)
    {
        var mask = _keys.Length - 1;
        var slot = (int)((key * 0x9E3779B97F4A7C15UL) >> _shift);
        while (_keys[slot] != 0 && _keys[slot] != key)
            slot = (slot + 1) & mask;
        return slot;
    }
}
