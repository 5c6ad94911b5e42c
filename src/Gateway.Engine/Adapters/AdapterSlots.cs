using Gateway.Model.Lora;
using Gateway.Model.Weights;

namespace Gateway.Engine.Adapters;

/// <summary>
/// The adapters in memory. A name is a mutable pointer to an immutable generation; a request pins the generation with a lease,
/// so replacing or unloading a name never touches sequences under way. A generation without name is retired and freed with its
/// last lease. Thread-safe.
/// </summary>
public sealed class AdapterSlots : IDisposable
{
    private readonly ModelConfig _config;
    private readonly string? _baseFingerprint;
    private readonly AdapterLimits _limits;
    private readonly int _maximumResident;
    private readonly TimeProvider _clock;
    private readonly WeightFormat _format;
    private readonly Lock _gate = new();
    private readonly Dictionary<string, Slot> _generations = new(StringComparer.Ordinal);
    private readonly Dictionary<string, Name> _names = new(StringComparer.Ordinal);
    private int _loading;

    /// <summary>Creates empty slots for adapters of one base model.</summary>
    /// <param name="config">The base model.</param>
    /// <param name="baseFingerprint">Its fingerprint; adapters whose manifest names another are refused. Null skips the check.</param>
    /// <param name="limits">The largest adapter to accept.</param>
    /// <param name="maximumResident">Generations in memory, retired ones included.</param>
    /// <param name="clock">Stamps loads.</param>
    /// <param name="format">The base model's weight format: adapters are held in f32 beside f32 weights, else in bfloat16.</param>
    public AdapterSlots(
        ModelConfig config, string? baseFingerprint, AdapterLimits limits, int maximumResident, TimeProvider clock, WeightFormat format = WeightFormat.F32)
    {
        (_config, _baseFingerprint, _limits, _maximumResident, _clock, _format) = (config, baseFingerprint, limits, maximumResident, clock, format);
    }

    /// <summary>Largest number of generations in memory.</summary>
    public int MaximumResident => _maximumResident;

    /// <summary>Loads a PEFT folder under a name: 1. check the name; 2. read and pack the files, on the calling thread and without the lock; 3. move the name.</summary>
    /// <param name="name">The name to create or move.</param>
    /// <param name="folder">Folder with adapter_config.json and adapter_model.safetensors.</param>
    /// <param name="replace">True to move a name that exists.</param>
    /// <param name="expectedGeneration">When given, the name must point to this generation.</param>
    public AdapterLoad Load(string name, string folder, bool replace, string? expectedGeneration = null)
    {
        if (Interlocked.Exchange(ref _loading, 1) == 1)
        {
            return new AdapterLoad(AdapterLoadOutcome.Busy, null, null);
        }

        try
        {
            lock (_gate)
            {
                if (Refuse(name, replace, expectedGeneration) is { } refusal)
                {
                    return refusal;
                }
            }

            return TryRead(folder, out var weights) is { } failure ? failure : Install(name, weights!, expectedGeneration);
        }
        finally
        {
            Volatile.Write(ref _loading, 0);
        }
    }

    /// <summary>Puts weights that are already in memory under a name; the slots own them from here on, whatever the outcome.</summary>
    public AdapterLoad Install(string name, LoraWeights weights, string? expectedGeneration = null)
    {
        lock (_gate)
        {
            // The name may have moved while the files were read.
            if (Refuse(name, replace: true, expectedGeneration) is { } refusal)
            {
                weights.Dispose();
                return refusal;
            }

            if (_generations.TryGetValue(weights.Generation, out var slot))
            {
                weights.Dispose();
            }
            else if (_generations.Count >= _maximumResident)
            {
                weights.Dispose();
                return new AdapterLoad(AdapterLoadOutcome.LimitExceeded, _names.GetValueOrDefault(name)?.Slot.Weights.Generation, null);
            }
            else
            {
                slot = new Slot(weights);
                _generations.Add(weights.Generation, slot);
            }

            var previous = _names.GetValueOrDefault(name)?.Slot;
            slot.Names++;
            _names[name] = new Name(slot, _clock.GetUtcNow());
            if (previous is not null)
            {
                previous.Names--;
                FreeIfUnused(previous);
            }

            return new AdapterLoad(AdapterLoadOutcome.Loaded, slot.Weights.Generation, previous?.Weights.Generation, slot.Weights.Rank, slot.Weights.Bytes);
        }
    }

    /// <summary>Removes a name; its generation stays until the last lease ends or another name points to it.</summary>
    public AdapterUnload Unload(string name, string? expectedGeneration = null)
    {
        lock (_gate)
        {
            if (!_names.TryGetValue(name, out var found))
            {
                return AdapterUnload.NotFound;
            }

            if (expectedGeneration is not null && found.Slot.Weights.Generation != expectedGeneration)
            {
                return AdapterUnload.GenerationMismatch;
            }

            _names.Remove(name);
            found.Slot.Names--;
            FreeIfUnused(found.Slot);
            return AdapterUnload.Unloaded;
        }
    }

    /// <summary>Pins the generation that a name points to now; null when there is no such name.</summary>
    public AdapterLease? Acquire(string name)
    {
        lock (_gate)
        {
            if (!_names.TryGetValue(name, out var found))
            {
                return null;
            }

            found.Slot.Leases++;
            return new AdapterLease(this, found.Slot);
        }
    }

    /// <summary>Everything in memory, names in ordinal order.</summary>
    public AdapterListing List()
    {
        lock (_gate)
        {
            var names = _names.OrderBy(pair => pair.Key, StringComparer.Ordinal).ToList();
            return new AdapterListing(
                [.. names.Select(pair => new AdapterName(pair.Key, pair.Value.Slot.Weights.Generation, pair.Value.Slot.Weights.Rank, pair.Value.Slot.Weights.Bytes, pair.Value.LoadedAt))],
                [.. _generations.Values.OrderBy(slot => slot.Weights.Generation, StringComparer.Ordinal).Select(slot => new ResidentGeneration(
                    slot.Weights.Generation, [.. names.Where(pair => pair.Value.Slot == slot).Select(pair => pair.Key)],
                    slot.Weights.Rank, slot.Weights.Bytes, slot.Names == 0, slot.Leases))]);
        }
    }

    /// <summary>Frees all weights; call it after the engine has stopped.</summary>
    public void Dispose()
    {
        lock (_gate)
        {
            foreach (var slot in _generations.Values)
            {
                slot.Weights.Dispose();
            }

            _generations.Clear();
            _names.Clear();
        }
    }

    /// <summary>Ends a lease.</summary>
    internal void Release(Slot slot)
    {
        lock (_gate)
        {
            slot.Leases--;
            FreeIfUnused(slot);
        }
    }

    private AdapterLoad? Refuse(string name, bool replace, string? expectedGeneration)
    {
        var current = _names.GetValueOrDefault(name)?.Slot.Weights.Generation;
        if (current is not null && !replace)
        {
            return new AdapterLoad(AdapterLoadOutcome.NameTaken, current, current);
        }

        return expectedGeneration is not null && expectedGeneration != current
            ? new AdapterLoad(AdapterLoadOutcome.GenerationMismatch, current, current)
            : null;
    }

    private AdapterLoad? TryRead(string folder, out LoraWeights? weights)
    {
        weights = null;
        try
        {
            if (!Directory.Exists(folder))
            {
                return new AdapterLoad(AdapterLoadOutcome.PathNotFound, null, null);
            }

            weights = PeftFile.Load(folder, _config, _limits, _baseFingerprint, _format);
            return null;
        }
        catch (InvalidAdapterException failure)
        {
            return new AdapterLoad(AdapterLoadOutcome.Invalid, null, null, Reason: failure.Message);
        }
        catch (Exception failure) when (failure is FileNotFoundException or DirectoryNotFoundException)
        {
            return new AdapterLoad(AdapterLoadOutcome.PathNotFound, null, null);
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            return new AdapterLoad(AdapterLoadOutcome.Invalid, null, null, Reason: "its files cannot be read; check their permissions.");
        }
    }

    private void FreeIfUnused(Slot slot)
    {
        if (slot is { Names: 0, Leases: 0 } && _generations.Remove(slot.Weights.Generation))
        {
            slot.Weights.Dispose();
        }
    }

    /// <summary>One generation in memory; counts change only under the lock.</summary>
    internal sealed class Slot(LoraWeights weights)
    {
        /// <summary>The immutable weights.</summary>
        public LoraWeights Weights { get; } = weights;

        /// <summary>Names that point here.</summary>
        public int Names { get; set; }

        /// <summary>Sequences that run on it.</summary>
        public int Leases { get; set; }
    }

    private sealed record Name(Slot Slot, DateTimeOffset LoadedAt);
}
