namespace Gateway.Model.Numerics;

/// <summary>Packs the keys (transposed) and values of each document and key head into panels.</summary>
internal readonly unsafe struct AttentionPackWork(AttentionShape shape, int* starts, float* k, float* v, float* packed) : IChunkedWork
{
    public void Run(int chunk, int worker)
    {
        int document = chunk / shape.KvHeads;
        int kvHead = chunk % shape.KvHeads;
        int start = starts[document];
        int length = starts[document + 1] - start;
        float* keys = packed + shape.KeyOffset(document, start, length, kvHead);
        nint source = (start * shape.KeyStride) + ((nint)kvHead * shape.D);
        Panel.PackAllTransposed(k + source, shape.KeyStride, shape.D, length, keys);
        Panel.PackAll(v + source, shape.KeyStride, length, shape.D, keys + shape.KeyFloats(length));
    }
}
