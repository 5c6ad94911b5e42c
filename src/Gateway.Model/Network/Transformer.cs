using Gateway.Model.Numerics;
using Gateway.Model.Weights;

namespace Gateway.Model.Network;

/// <summary>
/// A Llama, Qwen2 or Qwen3 decoder with weights in any <see cref="Weights.WeightFormat"/>. One thread calls at a time; the kernels spread over the worker team.
/// A row's result is the same bits whatever else is in the batch and however its sequence was cut into slices.
/// </summary>
public sealed unsafe class Transformer : IDisposable
{
    private readonly string? _fingerprint;
    private readonly WeightBlock _block;
    private readonly Linear? _embedding;
    private readonly DecoderLayer[] _layers;
    private readonly Dictionary<string, Action<Matrix>> _slots;
    private readonly RowPlan _plan;
    private readonly CachedAttention _attention;
    private readonly LayerActivations _activations;
    private readonly RowBuffer _stream = new();
    private readonly RowBuffer _headInput = new();
    private readonly RowBuffer _headNormed = new();

    private Transformer(ModelConfig config, Compute compute, string? fingerprint, WeightFormat format)
    {
        (Config, Compute, _fingerprint, WeightFormat) = (config, compute, fingerprint, format);
        _block = new WeightBlock(config, format);
        _layers = [.. Enumerable.Range(0, config.LayerCount).Select(layer => new DecoderLayer(config, layer, compute, _block))];
        FinalNorm = new Matrix(1, config.HiddenSize);
        Head = _block.TakeTable(compute, config);
        _embedding = config.TiedEmbeddings ? null : _block.TakeTable(compute, config);
        Rope = RopeFrequencies.CreateTable(config);
        _plan = new RowPlan(config);
        _attention = new CachedAttention(config);
        _activations = new LayerActivations(config);
        _slots = new(OwnSlots().Concat(_layers.SelectMany(layer => layer.Slots())), StringComparer.Ordinal);
    }

    /// <summary>The network's configuration.</summary>
    public ModelConfig Config { get; }

    /// <summary>The kernels this model runs on; owned by whoever created them.</summary>
    public Compute Compute { get; }

    /// <summary>The base model's identity: 64 hexadecimal digits over configuration and weights.</summary>
    /// <exception cref="InvalidOperationException">The weights are being trained and have no fixed identity.</exception>
    public string Fingerprint => _fingerprint
        ?? throw new InvalidOperationException("a model in training has no fingerprint; save its parameters and load the checkpoint.");

    /// <summary>How the linear maps are held.</summary>
    public WeightFormat WeightFormat { get; }

    /// <summary>Why the packed weights could not be kept for the next start, or null.</summary>
    public string? CacheWarning { get; private set; }

    /// <summary>Memory of the linear maps in bytes.</summary>
    public long WeightBytes => _block.Bytes;

    /// <summary>Weight of the norm before the head.</summary>
    internal Matrix FinalNorm { get; }

    /// <summary>The output head; holds the embeddings when they are tied.</summary>
    internal Linear Head { get; }

    /// <summary>Rotation angles.</summary>
    internal RopeTable Rope { get; }

    /// <summary>The layers in order.</summary>
    internal IReadOnlyList<DecoderLayer> Layers => _layers;

    /// <summary>
    /// Loads a Hugging Face model directory: 1. check every tensor and compute the fingerprint; 2. take the packed linear maps
    /// from the cache; 3. or else pack them and leave them there for the next start; 4. read norms and biases.
    /// </summary>
    /// <param name="directory">Folder with config.json and safetensors.</param>
    /// <param name="compute">The kernels to run on; stays the caller's.</param>
    /// <param name="format">How to hold the linear maps.</param>
    /// <param name="cacheDirectory">Where packed weights are kept between starts; null keeps none. f32 is never kept: packing it takes no longer than reading it.</param>
    /// <exception cref="ModelFormatException">The directory cannot be used; the message says what to do.</exception>
    public static Transformer Load(string directory, Compute compute, WeightFormat format = WeightFormat.F32, string? cacheDirectory = null)
    {
        using var checkpoint = Checkpoint.Open(directory);
        var model = new Transformer(checkpoint.Config, compute, checkpoint.ComputeFingerprint(), format);
        try
        {
            var cache = cacheDirectory is null || format == WeightFormat.F32 ? null : PackedWeightsFile.PathFor(cacheDirectory, model.Fingerprint, format);
            var packed = cache is not null && PackedWeightsFile.TryRead(cache, model._block.Data, model._block.Bytes);
            foreach (var tensor in ExpectedTensor.All(checkpoint.Config))
            {
                // Vectors are norms and biases; every matrix is a linear map or a table.
                if (!packed || tensor.Shape.Count == 1)
                {
                    using var value = checkpoint.Read(tensor);
                    model._slots[tensor.Name](value);
                }
            }

            if (cache is not null && !packed)
            {
                model.Keep(cache);
            }

            return model;
        }
        catch
        {
            model.Dispose();
            throw;
        }
    }

    /// <summary>Builds a model over trainable parameters, for pretraining; call <see cref="Refresh"/> after every optimiser step.</summary>
    public static Transformer Create(TransformerParameters parameters, Compute compute)
    {
        var model = new Transformer(parameters.Config, compute, fingerprint: null, WeightFormat.F32);
        model.Refresh(parameters);
        return model;
    }

    /// <summary>Packs the current parameter values on all threads.</summary>
    public void Refresh(TransformerParameters parameters)
    {
        foreach (var (name, assign) in _slots)
        {
            assign(parameters[name].Value);
        }
    }

    /// <summary>
    /// Runs the network over all slices: 1. lay out rows, grouped by adapter; 2. look up embeddings; 3. run the layers,
    /// writing keys and values to the slices' blocks; 4. compute the requested logits.
    /// </summary>
    /// <param name="slices">What to process; each slice's cache must hold everything before its start.</param>
    /// <param name="cache">A cache made for this configuration.</param>
    /// <param name="logits">Receives [requested rows in the order of the slices, V].</param>
    /// <exception cref="ArgumentException">A slice is out of range or <paramref name="logits"/> is too short.</exception>
    public void Forward(ReadOnlySpan<SequenceSlice> slices, KvCache cache, Span<float> logits)
    {
        _plan.Arrange(slices, cache);
        if (logits.Length < (long)_plan.LogitRowCount * Config.VocabularySize)
        {
            throw new ArgumentException($"logits holds {logits.Length} values but {_plan.LogitRowCount} rows of {Config.VocabularySize} are asked for.", nameof(logits));
        }

        if (_plan.Rows == 0)
        {
            return;
        }

        _stream.Reserve(_plan.Rows, Config.HiddenSize);
        _activations.Reserve(_plan.Rows, trainedRank: 0, _plan.StackedRank);
        Embed(_plan, _stream.Data);

        _attention.Cache = cache;
        foreach (var layer in _layers)
        {
            layer.Forward(_plan, Rope, _attention, _activations, _stream.Data, _stream.Data, _stream.Data);
        }

        ComputeLogits(logits);
        Pool(slices);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var layer in _layers)
        {
            layer.Dispose();
        }

        _embedding?.Dispose();
        FinalNorm.Dispose();
        Head.Dispose();
        _block.Dispose();
        Rope.Dispose();
        _activations.Dispose();
        _stream.Dispose();
        _headInput.Dispose();
        _headNormed.Dispose();
    }

    /// <summary>Copies each row's token embedding to <paramref name="stream"/> [rows, H].</summary>
    internal void Embed(RowPlan plan, float* stream) => Compute.ReadColumns((_embedding ?? Head).Weight, plan.Tokens, plan.Rows, stream);

    /// <summary>A cache of that many blocks: f32 for f32 weights, else bfloat16.</summary>
    public KvCache CreateCache(int blocks) => new(Config, blocks, bfloat16: WeightFormat != WeightFormat.F32);

    /// <summary>Memory of one cache block of 16 tokens.</summary>
    public long CacheBlockBytes => KvCache.BlockBytes(Config, bfloat16: WeightFormat != WeightFormat.F32);

    /// <summary>Writes the packed weights; a cache that cannot be written costs the next start its time, nothing else.</summary>
    private void Keep(string path)
    {
        try
        {
            PackedWeightsFile.Write(path, _block.Data, _block.Bytes);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            CacheWarning = $"the packed weights could not be kept in '{path}' ({exception.Message}); the next start packs them again.";
        }
    }

    /// <summary>Adds normed final states to the slices' pools in the order of positions, so that the sum does not depend on how a prompt was cut.</summary>
    private void Pool(ReadOnlySpan<SequenceSlice> slices)
    {
        var width = Config.HiddenSize;
        for (var i = 0; i < slices.Length; i++)
        {
            if (slices[i].Pool is not { } pool)
            {
                continue;
            }

            var rows = slices[i].Tokens.Length;
            _headNormed.Reserve(rows, width);
            Compute.RmsNorm(_stream.Data + ((long)_plan.FirstRow(i) * width), FinalNorm.Data, rows, width, Config.RmsNormEpsilon, _headNormed.Data, null);
            for (var row = 0; row < rows; row++)
            {
                var state = _headNormed.Data + ((long)row * width);
                for (var column = 0; column < width; column++)
                {
                    pool[column] += state[column];
                }
            }
        }
    }

    private void ComputeLogits(Span<float> logits)
    {
        var rows = _plan.LogitRows;
        if (rows.IsEmpty)
        {
            return;
        }

        var width = Config.HiddenSize;

        // Room for every row: which of them want logits changes from step to step.
        _headInput.Reserve(_plan.Rows, width);
        _headNormed.Reserve(_plan.Rows, width);
        for (var i = 0; i < rows.Length; i++)
        {
            new ReadOnlySpan<float>(_stream.Data + ((long)rows[i] * width), width).CopyTo(new Span<float>(_headInput.Data + ((long)i * width), width));
        }

        var input = new ProductInput(_headNormed.Data, rows.Length, width, Head.Weight.Format);
        Compute.PrepareNormed(input, [], _headInput.Data, FinalNorm.Data, Config.RmsNormEpsilon, null);
        fixed (float* target = logits)
        {
            Compute.Multiply([new Product(_headNormed.Data, width, rows.Length, Head.Weight, target, Config.VocabularySize, accumulate: false)]);
        }
    }

    private IEnumerable<KeyValuePair<string, Action<Matrix>>> OwnSlots()
    {
        yield return new("model.embed_tokens.weight", (_embedding ?? Head).SetWeight);
        yield return new("model.norm.weight", value => value.Span.CopyTo(FinalNorm.Span));
        if (!Config.TiedEmbeddings)
        {
            yield return new("lm_head.weight", Head.SetWeight);
        }
    }
}
