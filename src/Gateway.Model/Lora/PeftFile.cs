using System.Text.Json;
using Gateway.Model.Numerics;
using Gateway.Model.Weights;

namespace Gateway.Model.Lora;

/// <summary>
/// Reads and writes PEFT adapter folders. PEFT itself loads leniently (a missing tensor stays at its initial value, a
/// surplus one is dropped); a server must not, so every deviation is an error that names the tensor or field.
/// </summary>
public static class PeftFile
{
    private const string ConfigFile = "adapter_config.json";
    private const string TensorFile = "adapter_model.safetensors";
    private const string Prefix = "base_model.model.";
    private const string SuffixA = ".lora_A.weight";
    private const string SuffixB = ".lora_B.weight";

    /// <summary>Loads an adapter for serving; the caller owns it.</summary>
    /// <exception cref="InvalidAdapterException">The adapter breaks a rule or does not fit the base model.</exception>
    public static LoraWeights Load(
        string directory, ModelConfig config, AdapterLimits limits, string? baseFingerprint = null, WeightFormat format = WeightFormat.F32)
    {
        using var tensors = Read(directory, config, limits, baseFingerprint);
        return new LoraWeights(tensors, format);
    }

    /// <summary>
    /// Reads an adapter as plain matrices: 1. refuse foreign forms, 2. parse the configuration, 3. resolve its targets in
    /// the base model, 4. check that the file holds exactly their tensors, 5. read them.
    /// </summary>
    /// <param name="directory">Folder with adapter_config.json and adapter_model.safetensors.</param>
    /// <param name="config">The base model it must fit.</param>
    /// <param name="limits">The largest adapter to accept.</param>
    /// <param name="baseFingerprint">The base model's fingerprint; when given, a manifest.json that names another is refused.</param>
    /// <exception cref="InvalidAdapterException">The adapter breaks a rule or does not fit the base model.</exception>
    public static LoraTensors Read(string directory, ModelConfig config, AdapterLimits limits, string? baseFingerprint = null)
    {
        try
        {
            RefuseForeignForms(directory, limits);
            AdapterCompanions.Check(directory, config, baseFingerprint);
            var spec = AdapterConfigFile.Parse(File.ReadAllBytes(Path.Combine(directory, ConfigFile)));
            var targets = spec.Resolve(config);
            using var file = Safetensors.Open(Path.Combine(directory, TensorFile));
            RequireExactTensors(file, targets, config, limits);
            return ReadTensors(file, spec, targets, config);
        }
        catch (ModelFormatException exception)
        {
            throw new InvalidAdapterException(exception.Message, exception);
        }
        catch (JsonException exception)
        {
            throw new InvalidAdapterException($"a JSON file in '{directory}' is broken ({exception.Message}); export the adapter again.", exception);
        }
    }

    /// <summary>Writes an adapter that PEFT and vLLM load unchanged; the tensor file becomes visible before the configuration.</summary>
    /// <exception cref="InvalidAdapterException">A value is NaN or infinite.</exception>
    public static void Save(string directory, LoraTensors adapter, SavedType type)
    {
        Directory.CreateDirectory(directory);
        var tensors = adapter.Factors.SelectMany(factors => (TensorToSave[])
        [
            new(factors.Target.NameOfA, [factors.A.Rows, factors.A.Columns], factors.A),
            new(factors.Target.NameOfB, [factors.B.Rows, factors.B.Columns], factors.B),
        ]);
        try
        {
            SafetensorsWriter.Write(Path.Combine(directory, TensorFile), tensors, type);
        }
        catch (ModelFormatException exception)
        {
            throw new InvalidAdapterException(exception.Message, exception);
        }

        DurableFile.Write(Path.Combine(directory, ConfigFile), stream => AdapterConfigFile.Write(stream, adapter.Spec));
    }

    private static void RefuseForeignForms(string directory, AdapterLimits limits)
    {
        var tensors = new FileInfo(Path.Combine(directory, TensorFile));
        if (!File.Exists(Path.Combine(directory, ConfigFile)))
        {
            throw new InvalidAdapterException($"'{directory}' has no {ConfigFile}; point to a PEFT adapter folder.");
        }

        if (File.Exists(Path.Combine(directory, $"{TensorFile}.index.json")) || Directory.EnumerateFiles(directory, "adapter_model-*.safetensors").Any())
        {
            throw new InvalidAdapterException($"'{directory}' holds a sharded adapter; save it as one {TensorFile}.");
        }

        if (!tensors.Exists)
        {
            throw new InvalidAdapterException(File.Exists(Path.Combine(directory, "adapter_model.bin"))
                ? $"'{directory}' holds adapter_model.bin, a pickle file, which can run code when read; save it as {TensorFile}."
                : $"'{directory}' has no {TensorFile}; save the adapter with safe serialization.");
        }

        if (tensors.Length > limits.MaximumBytes)
        {
            throw new InvalidAdapterException($"{TensorFile} has {tensors.Length} bytes but the limit is {limits.MaximumBytes}; use a smaller rank or raise the limit.");
        }
    }

    private static void RequireExactTensors(Safetensors file, IReadOnlyList<LoraTarget> targets, ModelConfig config, AdapterLimits limits)
    {
        var remaining = file.Tensors.Keys.ToHashSet(StringComparer.Ordinal);
        foreach (var name in remaining)
        {
            RequireLoraName(name, config, file);
        }

        foreach (var target in targets)
        {
            if (target.Rank > limits.MaximumRank)
            {
                throw new InvalidAdapterException($"adapter_config.json: the rank of '{target.Path}' is {target.Rank} but the limit is {limits.MaximumRank}; use a smaller rank or raise the limit.");
            }

            RequireTensor(file, target.NameOfA, [target.Rank, target.Projection.Inputs(config)]);
            RequireTensor(file, target.NameOfB, [target.Projection.Outputs(config), target.Rank]);
            remaining.Remove(target.NameOfA);
            remaining.Remove(target.NameOfB);
        }

        if (remaining.Order(StringComparer.Ordinal).FirstOrDefault() is { } surplus)
        {
            throw new InvalidAdapterException($"tensor '{surplus}' belongs to a module that adapter_config.json does not adapt; correct target_modules or export the adapter again.");
        }
    }

    private static void RequireLoraName(string name, ModelConfig config, Safetensors file)
    {
        var suffix = name.EndsWith(SuffixA, StringComparison.Ordinal) ? SuffixA : name.EndsWith(SuffixB, StringComparison.Ordinal) ? SuffixB : null;
        if (suffix is null || !name.StartsWith(Prefix, StringComparison.Ordinal) || name.Length <= Prefix.Length + suffix.Length)
        {
            throw new InvalidAdapterException($"tensor '{name}' is neither {Prefix}<module>{SuffixA} nor {Prefix}<module>{SuffixB}; only plain LoRA on linear layers is supported.");
        }

        var path = name[Prefix.Length..^suffix.Length];
        if (!Enumerable.Range(0, config.LayerCount).Any(layer => Projections.All.Any(projection => projection.Path(layer) == path)))
        {
            throw new InvalidAdapterException($"tensor '{name}' adapts '{path}', which is not a linear map inside the base model's layers; use an adapter made for this base model.");
        }

        var partner = $"{Prefix}{path}{(suffix == SuffixA ? SuffixB : SuffixA)}";
        if (!file.Tensors.ContainsKey(partner))
        {
            throw new InvalidAdapterException($"tensor '{name}' has no partner '{partner}'; export the adapter again.");
        }
    }

    private static void RequireTensor(Safetensors file, string name, int[] shape)
    {
        if (!file.Tensors.TryGetValue(name, out var tensor))
        {
            throw new InvalidAdapterException($"tensor '{name}' is missing although adapter_config.json adapts its module; export the adapter again.");
        }

        if (!tensor.HasShape(shape))
        {
            throw new InvalidAdapterException($"tensor '{name}' has shape {tensor.ShapeText} but rank and base model call for [{string.Join(", ", shape)}]; correct the rank or use the right base model.");
        }

        if (tensor.Type is not (TensorType.F32 or TensorType.F16 or TensorType.BF16))
        {
            throw new InvalidAdapterException($"tensor '{name}' is {tensor.Type}; save the adapter as F32, F16 or BF16.");
        }
    }

    private static unsafe LoraTensors ReadTensors(Safetensors file, LoraSpec spec, IReadOnlyList<LoraTarget> targets, ModelConfig config)
    {
        var factors = new List<LoraFactors>(targets.Count);
        var tensors = new LoraTensors(spec, factors);
        try
        {
            foreach (var target in targets)
            {
                var factor = new LoraFactors(
                    target,
                    new Matrix(target.Rank, target.Projection.Inputs(config)),
                    new Matrix(target.Projection.Outputs(config), target.Rank));
                factors.Add(factor);
                file.Read(file.Tensors[target.NameOfA], factor.A.Data);
                file.Read(file.Tensors[target.NameOfB], factor.B.Data);
            }

            return tensors;
        }
        catch
        {
            tensors.Dispose();
            throw;
        }
    }
}
