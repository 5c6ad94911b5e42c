using Gateway.Model.Lora;
using Gateway.Model.Weights;

namespace Gateway.Engine.Adapters;

/// <summary>
/// The adapters of one base model. A name is a mutable pointer to an immutable generation; a request pins the generation with a
/// lease, so replacing or unloading a name never touches sequences under way. A generation without name is retired and freed
/// with its last lease. Named generations share a budget of memory: those that were not used for longest leave it when another
/// needs the room, and are read again from their folder when they are asked for. Thread-safe.
/// </summary>
public sealed partial class AdapterSlots : IDisposable
{
    private readonly ModelConfig _config;
    private readonly string? _baseFingerprint;
    private readonly AdapterLimits _limits;
    private readonly TimeProvider _clock;
    private readonly WeightFormat _format;
    private readonly AdapterMemory _memory;
    private readonly Lock _gate = new();
    private readonly Dictionary<string, AdapterSlot> _generations = new(StringComparer.Ordinal);
    private readonly Dictionary<string, Name> _names = new(StringComparer.Ordinal);
    private readonly Thread _worker;
    private int _loading;
    private volatile bool _disposed;

    /// <summary>Creates empty slots for adapters of one base model.</summary>
    /// <param name="config">The base model.</param>
    /// <param name="baseFingerprint">Its fingerprint; adapters whose manifest names another are refused. Null skips the check.</param>
    /// <param name="limits">The largest adapter to accept.</param>
    /// <param name="maximumResident">Generations in memory, retired ones included.</param>
    /// <param name="clock">Stamps loads and measures waiting.</param>
    /// <param name="format">The base model's weight format: adapters are held in f32 beside f32 weights, else in bfloat16.</param>
    /// <param name="maximumBytes">Native memory of all generations together; one that is being read comes on top until it is accepted.</param>
    public AdapterSlots(
        ModelConfig config,
        string? baseFingerprint,
        AdapterLimits limits,
        int maximumResident,
        TimeProvider clock,
        WeightFormat format = WeightFormat.F32,
        long maximumBytes = long.MaxValue)
    {
        (_config, _baseFingerprint, _limits, _clock, _format) = (config, baseFingerprint, limits, clock, format);
        (MaximumResident, MaximumBytes) = (maximumResident, maximumBytes);
        _memory = new AdapterMemory(maximumResident, maximumBytes);
        _worker = new Thread(WorkUntilDisposed) { IsBackground = true, Name = "adapters" };
        _worker.Start();
    }

    /// <summary>Largest number of generations in memory.</summary>
    public int MaximumResident { get; }

    /// <summary>Largest native memory of all generations in bytes.</summary>
    public long MaximumBytes { get; }

    /// <summary>Loads a PEFT folder under a name: 1. check the name; 2. read and pack the files, on the calling thread and without the lock; 3. move the name.</summary>
    /// <param name="name">The name to create or move.</param>
    /// <param name="folder">Folder with adapter_config.json and adapter_model.safetensors; it must stay as it is while the name exists.</param>
    /// <param name="replace">True to move a name that exists.</param>
    /// <param name="expectedGeneration">When given, the name must point to this generation.</param>
    /// <param name="pinned">True to keep what the name points to in memory.</param>
    /// <remarks>When sequences under way hold all memory, a name that is not pinned is accepted without becoming resident.</remarks>
    public AdapterLoad Load(string name, string folder, bool replace, string? expectedGeneration = null, bool pinned = false)
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

            return TryRead(folder, out var weights) is { } failure ? failure : Install(name, weights!, folder, expectedGeneration, pinned);
        }
        finally
        {
            Volatile.Write(ref _loading, 0);
        }
    }

    /// <summary>Puts weights that are already in memory under a name; the slots own them from here on, whatever the outcome. They never leave memory while the name exists.</summary>
    public AdapterLoad Install(string name, LoraWeights weights, string? expectedGeneration = null) => Install(name, weights, folder: null, expectedGeneration, pinned: true);

    /// <summary>Removes a name; its generation stays until the last lease ends or another name points to it.</summary>
    public AdapterUnload Unload(string name, string? expectedGeneration = null)
    {
        lock (_gate)
        {
            if (!_names.TryGetValue(name, out var found))
            {
                return AdapterUnload.NotFound;
            }

            if (expectedGeneration is not null && found.Slot.Generation != expectedGeneration)
            {
                return AdapterUnload.GenerationMismatch;
            }

            Point(name, null);
            StartWork();
            return AdapterUnload.Unloaded;
        }
    }

    /// <summary>Everything that is named or in memory, names in ordinal order.</summary>
    public AdapterListing List()
    {
        lock (_gate)
        {
            var names = _names.OrderBy(pair => pair.Key, StringComparer.Ordinal).ToList();
            return new AdapterListing(
                [.. names.Select(pair => new AdapterName(
                    pair.Key, pair.Value.Slot.Generation, pair.Value.Slot.Rank, pair.Value.Slot.Bytes, pair.Value.LoadedAt, pair.Value.Slot.Weights is not null, pair.Value.Pinned))],
                [.. _generations.Values.Where(slot => slot.Weights is not null).OrderBy(slot => slot.Generation, StringComparer.Ordinal).Select(slot => new ResidentGeneration(
                    slot.Generation, [.. names.Where(pair => pair.Value.Slot == slot).Select(pair => pair.Key)], slot.Rank, slot.Bytes, slot.Names == 0, slot.Leases))],
                _memory.HeldBytes,
                _waiting.Count(request => !request.Done.Task.IsCompleted));
        }
    }

    /// <summary>Frees all weights; call it after the engine has stopped.</summary>
    public void Dispose()
    {
        if (_disposed)
        {
            return;
        }

        lock (_gate)
        {
            _disposed = true;
            foreach (var slot in _generations.Values)
            {
                _memory.Remove(slot);
            }

            _generations.Clear();
            _names.Clear();
            foreach (var request in _waiting)
            {
                request.Done.TrySetResult(new AdapterAcquisition(AdapterAcquireOutcome.UnknownName));
            }

            _waiting.Clear();
        }

        _work.Set();
        _worker.Join();
        _work.Dispose();
        FreeUnused();
    }

    /// <summary>Adds a lease to a slot that has one.</summary>
    internal AdapterLease Share(AdapterSlot slot)
    {
        lock (_gate)
        {
            slot.Leases++;
            return new AdapterLease(this, slot);
        }
    }

    /// <summary>Ends a lease.</summary>
    internal void Release(AdapterSlot slot)
    {
        lock (_gate)
        {
            slot.Leases--;
            FreeIfRetired(slot);
            StartWork();
        }
    }

    private AdapterLoad Install(string name, LoraWeights weights, string? folder, string? expectedGeneration, bool pinned)
    {
        var bytes = weights.Bytes;
        lock (_gate)
        {
            // The name may have moved while the files were read.
            if (_disposed || Refuse(name, replace: true, expectedGeneration) is not null)
            {
                weights.Dispose();
                return Refuse(name, replace: true, expectedGeneration) ?? new AdapterLoad(AdapterLoadOutcome.LimitExceeded, null, null);
            }

            var slot = _generations.GetValueOrDefault(weights.Generation);
            var known = slot is not null;
            slot ??= new AdapterSlot(weights, folder);
            slot.Folder = folder ?? slot.Folder;
            if (slot.Weights is not null)
            {
                weights.Dispose();
            }
            else if (_memory.TryReserve(bytes))
            {
                _memory.Add(slot, weights);
            }
            else if (pinned || !_memory.CouldHold(bytes))
            {
                weights.Dispose();
                return new AdapterLoad(AdapterLoadOutcome.LimitExceeded, _names.GetValueOrDefault(name)?.Slot.Generation, null);
            }
            else
            {
                weights.Dispose();
            }

            if (!known)
            {
                _generations.Add(slot.Generation, slot);
            }

            var previous = _names.GetValueOrDefault(name)?.Slot;
            Point(name, new Name(slot, _clock.GetUtcNow(), pinned));
            StartWork();
            return new AdapterLoad(AdapterLoadOutcome.Loaded, slot.Generation, previous?.Generation, slot.Rank, slot.Bytes);
        }
    }

    private AdapterLoad? Refuse(string name, bool replace, string? expectedGeneration)
    {
        var current = _names.GetValueOrDefault(name)?.Slot.Generation;
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

    /// <summary>Moves a name, or removes it when there is nothing to point to.</summary>
    private void Point(string name, Name? target)
    {
        if (target is not null)
        {
            target.Slot.Names++;
            target.Slot.Pins += target.Pinned ? 1 : 0;
        }

        if (_names.Remove(name, out var previous))
        {
            previous.Slot.Names--;
            previous.Slot.Pins -= previous.Pinned ? 1 : 0;
            FreeIfRetired(previous.Slot);
        }

        if (target is not null)
        {
            _names.Add(name, target);
        }
    }

    private void FreeIfRetired(AdapterSlot slot)
    {
        if (slot is { Names: 0, Leases: 0 } && _generations.Remove(slot.Generation))
        {
            _memory.Remove(slot);
        }
    }

    private sealed record Name(AdapterSlot Slot, DateTimeOffset LoadedAt, bool Pinned);
}
