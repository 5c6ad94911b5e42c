using System.Text.Json;
using Gateway.Model.Numerics;

namespace Gateway.Model.Weights;

/// <summary>
/// An opened Hugging Face model directory whose tensors are exactly those its configuration calls for. Reading is
/// thread-safe; dispose it once the weights are packed.
/// </summary>
public sealed unsafe class Checkpoint : IDisposable
{
    private const string SingleFile = "model.safetensors";
    private const string IndexFile = "model.safetensors.index.json";
    private const string HeadTensor = "lm_head.weight";
    private const string EmbeddingTensor = "model.embed_tokens.weight";

    private readonly Dictionary<string, (Safetensors File, TensorEntry Entry)> _tensors = new(StringComparer.Ordinal);
    private readonly List<Safetensors> _files = [];

    private Checkpoint(ModelConfig config)
    {
        Config = config;
    }

    /// <summary>The configuration that the tensors were checked against.</summary>
    public ModelConfig Config { get; }

    /// <summary>
    /// Opens a directory: 1. read config.json, 2. map one file or the shards of the index, 3. check names and shapes.
    /// </summary>
    /// <exception cref="ModelFormatException">Something is missing, surplus, misshapen or unsupported.</exception>
    public static Checkpoint Open(string directory)
    {
        var checkpoint = new Checkpoint(ModelConfigFile.Read(directory));
        try
        {
            checkpoint.MapFiles(directory);
            checkpoint.RequireExactTensors(directory);
            return checkpoint;
        }
        catch
        {
            checkpoint.Dispose();
            throw;
        }
    }

    /// <summary>Reads a weight as f32 into a new matrix that the caller owns (a vector becomes one row).</summary>
    /// <exception cref="ModelFormatException">A value is NaN or infinite.</exception>
    public Matrix Read(ExpectedTensor tensor)
    {
        var (file, entry) = _tensors[tensor.Name];
        var matrix = new Matrix(tensor.Rows, tensor.Columns);
        try
        {
            file.Read(entry, matrix.Data);
            return matrix;
        }
        catch
        {
            matrix.Dispose();
            throw;
        }
    }

    /// <summary>
    /// Hashes configuration and weights: 64 hexadecimal digits that identify the base model. Equal for both spellings of
    /// config.json and for any sharding.
    /// </summary>
    public string ComputeFingerprint()
    {
        var digests = new byte[_tensors.Count][];
        var sorted = _tensors.OrderBy(pair => pair.Key, StringComparer.Ordinal).Select(pair => pair.Value).ToArray();
        Parallel.For(0, sorted.Length, i => digests[i] = sorted[i].File.Digest(sorted[i].Entry));
        return ModelFingerprint.Compute(Config, sorted.Select((tensor, i) => (tensor.Entry, digests[i])));
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var file in _files)
        {
            file.Dispose();
        }
    }

    private void MapFiles(string directory)
    {
        var index = Path.Combine(directory, IndexFile);
        if (File.Exists(Path.Combine(directory, SingleFile)))
        {
            MapFile(Path.Combine(directory, SingleFile), expected: null);
        }
        else if (File.Exists(index))
        {
            foreach (var (file, names) in ReadIndex(index))
            {
                MapFile(Path.Combine(directory, file), names);
            }
        }
        else
        {
            throw new ModelFormatException($"'{directory}' holds neither {SingleFile} nor {IndexFile}; download the safetensors weights (pickle .bin files are not read).");
        }
    }

    private void MapFile(string path, HashSet<string>? expected)
    {
        var file = Safetensors.Open(path);
        _files.Add(file);
        foreach (var entry in file.Tensors.Values)
        {
            if (expected is not null && !expected.Remove(entry.Name))
            {
                throw new ModelFormatException($"'{path}' holds tensor '{entry.Name}', which {IndexFile} does not place there; download all shards and the index again.");
            }

            if (!_tensors.TryAdd(entry.Name, (file, entry)))
            {
                throw new ModelFormatException($"tensor '{entry.Name}' is in two files; download all shards and the index again.");
            }
        }

        if (expected?.FirstOrDefault() is { } missing)
        {
            throw new ModelFormatException($"'{path}' lacks tensor '{missing}', which {IndexFile} places there; download all shards and the index again.");
        }
    }

    private static Dictionary<string, HashSet<string>> ReadIndex(string path)
    {
        try
        {
            var names = new Dictionary<string, HashSet<string>>(StringComparer.Ordinal);
            using var index = JsonDocument.Parse(File.ReadAllBytes(path), new JsonDocumentOptions { AllowDuplicateProperties = false });
            foreach (var pair in index.RootElement.GetProperty("weight_map").EnumerateObject())
            {
                var file = pair.Value.GetString() ?? string.Empty;
                if (file.Length == 0 || file.AsSpan().ContainsAny('/', '\\') || file is "." or "..")
                {
                    throw new ModelFormatException($"'{path}' names the file '{file}'; shards must lie beside the index, so use plain file names.");
                }

                if (!names.TryGetValue(file, out var tensors))
                {
                    names[file] = tensors = new HashSet<string>(StringComparer.Ordinal);
                }

                tensors.Add(pair.Name);
            }

            return names;
        }
        catch (Exception exception) when (exception is JsonException or InvalidOperationException or KeyNotFoundException)
        {
            throw new ModelFormatException($"'{path}' is not a valid index ({exception.Message}); download it again.", exception);
        }
    }

    private void RequireExactTensors(string directory)
    {
        DropDerivedTensors(directory);
        var unknown = _tensors.Keys.ToHashSet(StringComparer.Ordinal);
        foreach (var expected in ExpectedTensor.All(Config))
        {
            if (!_tensors.TryGetValue(expected.Name, out var found))
            {
                throw new ModelFormatException(expected.Name == HeadTensor
                    ? $"tensor '{HeadTensor}' is missing in '{directory}'; set tie_word_embeddings to true if the head is the embedding, else download the checkpoint again."
                    : $"tensor '{expected.Name}' is missing in '{directory}'; download the checkpoint again or correct config.json.");
            }

            if (!found.Entry.HasShape(expected.Shape))
            {
                throw new ModelFormatException($"tensor '{expected.Name}' has shape {found.Entry.ShapeText} but config.json calls for [{string.Join(", ", expected.Shape)}]; use the config.json of this checkpoint.");
            }

            if (found.Entry.Type is not (TensorType.F32 or TensorType.F16 or TensorType.BF16))
            {
                throw new ModelFormatException($"tensor '{expected.Name}' is {found.Entry.Type}; convert the checkpoint to F32, F16 or BF16.");
            }

            unknown.Remove(expected.Name);
        }

        if (unknown.Order(StringComparer.Ordinal).FirstOrDefault() is { } surplus)
        {
            throw new ModelFormatException($"tensor '{surplus}' is not part of a {Config.Family} model with this config.json; use the matching config.json or remove the tensor.");
        }
    }

    /// <summary>Forgets tensors that repeat what the configuration says: rotary tables and the copy of a tied head.</summary>
    private void DropDerivedTensors(string directory)
    {
        foreach (var name in _tensors.Keys.Where(name => name.EndsWith(".rotary_emb.inv_freq", StringComparison.Ordinal)).ToList())
        {
            _tensors.Remove(name);
        }

        if (Config.TiedEmbeddings && _tensors.TryGetValue(HeadTensor, out var head) && _tensors.TryGetValue(EmbeddingTensor, out var embedding))
        {
            if (!head.Entry.Shape.SequenceEqual(embedding.Entry.Shape) || !head.File.Digest(head.Entry).AsSpan().SequenceEqual(embedding.File.Digest(embedding.Entry)))
            {
                throw new ModelFormatException($"'{directory}' has tie_word_embeddings true but a {HeadTensor} that differs from the embedding; set tie_word_embeddings to false.");
            }

            _tensors.Remove(HeadTensor);
        }
    }
}
