using Gateway.Model.Lora;

namespace Gateway.Engine.Adapters;

/// <content>
/// Leases. One thread works in the background: it frees what left memory, then serves the callers that wait, in their order. It
/// is a thread of its own, so that memory comes back at once even where all threads of the pool are taken. The compute thread
/// only ever ends leases.
/// </content>
public sealed partial class AdapterSlots
{
    /// <summary>How long a caller may wait for room before callers of resident generations queue behind it: their leases would keep the room taken forever.</summary>
    private static readonly TimeSpan s_patience = TimeSpan.FromMilliseconds(250);

    private readonly Queue<Waiter> _waiting = new();
    private readonly AutoResetEvent _work = new(initialState: false);
    private bool _working;

    /// <summary>Leases the generation that a name points to now; null when it cannot be had. Blocks while the generation is read again.</summary>
    /// <remarks>Not for the compute thread, nor for a caller that holds leases others wait for.</remarks>
    public AdapterLease? Acquire(string name) => AcquireAsync(name).AsTask().GetAwaiter().GetResult().Lease;

    /// <summary>Leases the generation that a name points to; when it is not in memory, it is read again first, as soon as sequences under way leave room for it.</summary>
    /// <param name="name">The name.</param>
    /// <param name="cancellationToken">Ends the waiting.</param>
    /// <returns>The lease, or why there is none.</returns>
    /// <exception cref="OperationCanceledException">The waiting was ended.</exception>
    public ValueTask<AdapterAcquisition> AcquireAsync(string name, CancellationToken cancellationToken = default)
    {
        Waiter waiter;
        lock (_gate)
        {
            if (!_names.TryGetValue(name, out var found))
            {
                return ValueTask.FromResult(new AdapterAcquisition(AdapterAcquireOutcome.UnknownName));
            }

            if (found.Slot.Weights is not null && (found.Slot.Pins > 0 || !IsSomeoneOverdue()))
            {
                return ValueTask.FromResult(Lease(found.Slot));
            }

            waiter = new Waiter(name, _clock.GetTimestamp());
            _waiting.Enqueue(waiter);
            StartWork();
        }

        return new ValueTask<AdapterAcquisition>(AwaitAsync(waiter, cancellationToken));
    }

    private static async Task<AdapterAcquisition> AwaitAsync(Waiter waiter, CancellationToken cancellationToken)
    {
        await using var registration = cancellationToken.UnsafeRegister(static (state, token) => ((Waiter)state!).Done.TrySetCanceled(token), waiter).ConfigureAwait(false);
        return await waiter.Done.Task.ConfigureAwait(false);
    }

    private bool IsSomeoneOverdue() => _waiting.TryPeek(out var first) && _clock.GetElapsedTime(first.Since) >= s_patience;

    private AdapterAcquisition Lease(AdapterSlot slot)
    {
        slot.Leases++;
        _memory.Touch(slot);
        return new AdapterAcquisition(AdapterAcquireOutcome.Leased, new AdapterLease(this, slot));
    }

    /// <summary>Wakes the background thread when there is something for it to do and it rests; called under the lock.</summary>
    private void StartWork()
    {
        if (!_working && !_disposed && (_memory.HasUnused || _waiting.Count > 0))
        {
            _working = true;
            _work.Set();
        }
    }

    private void WorkUntilDisposed()
    {
        while (_work.WaitOne() && !_disposed)
        {
            Work();
        }
    }

    /// <summary>Works until nothing is left that can be done now; the end of a lease starts it again.</summary>
    private void Work()
    {
        while (true)
        {
            FreeUnused();
            AdapterSlot? wanted;
            lock (_gate)
            {
                wanted = ServeWaiting();
                if (wanted is null && !_memory.HasUnused)
                {
                    _working = false;
                    return;
                }
            }

            if (wanted is not null)
            {
                FreeUnused();
                Read(wanted);
            }
        }
    }

    /// <summary>
    /// Answers the callers at the head of the queue whose generation is in memory or cannot be had; returns the generation
    /// that the next one needs once room is reserved for it, or null when there is none, or no room until a lease ends.
    /// </summary>
    private AdapterSlot? ServeWaiting()
    {
        while (_waiting.TryPeek(out var first))
        {
            if (first.Done.Task.IsCompleted)
            {
                _waiting.Dequeue();
                continue;
            }

            AdapterAcquisition? answer = null;
            if (!_names.TryGetValue(first.Name, out var found))
            {
                answer = new AdapterAcquisition(AdapterAcquireOutcome.UnknownName);
            }
            else if (found.Slot.Weights is not null)
            {
                answer = Lease(found.Slot);
            }
            else if (_memory.TryReserve(found.Slot.Bytes))
            {
                return found.Slot;
            }
            else if (!_memory.CouldHold(found.Slot.Bytes))
            {
                answer = new AdapterAcquisition(AdapterAcquireOutcome.NoRoom);
            }

            if (answer is null)
            {
                return null;
            }

            _waiting.Dequeue();
            Answer(first, answer.Value);
        }

        return null;
    }

    /// <summary>Reads a generation into the room reserved for it. Callers that wait for it find it in memory, or learn why not.</summary>
    private void Read(AdapterSlot slot)
    {
        var failure = TryRead(slot.Folder!, out var weights);
        lock (_gate)
        {
            if (weights is not null && weights.Generation == slot.Generation && slot.Weights is null && _generations.GetValueOrDefault(slot.Generation) == slot)
            {
                _memory.Add(slot, weights);
                return;
            }

            _memory.Cancel(slot.Bytes);
            var changed = weights is not null && weights.Generation != slot.Generation;
            weights?.Dispose();
            if (failure is not null || changed)
            {
                var reason = changed ? "its folder holds another adapter now; load it again under its name." : failure!.Reason ?? "its folder is gone; load it again from where it is.";
                foreach (var waiter in _waiting.Where(waiter => _names.GetValueOrDefault(waiter.Name)?.Slot == slot))
                {
                    Answer(waiter, new AdapterAcquisition(AdapterAcquireOutcome.Lost, Reason: reason));
                }
            }
        }
    }

    private static void Answer(Waiter waiter, AdapterAcquisition answer)
    {
        if (!waiter.Done.TrySetResult(answer))
        {
            answer.Lease?.Dispose();
        }
    }

    /// <summary>Frees what left memory, outside the lock: giving megabytes back to the operating system takes its time.</summary>
    private void FreeUnused()
    {
        List<LoraWeights> unused;
        lock (_gate)
        {
            unused = _memory.TakeUnused();
        }

        foreach (var weights in unused)
        {
            weights.Dispose();
        }

        if (unused.Count > 0)
        {
            lock (_gate)
            {
                _memory.Freed(unused.Sum(weights => weights.Bytes));
            }
        }
    }

    /// <summary>A caller that waits for a name.</summary>
    private sealed record Waiter(string Name, long Since)
    {
        public TaskCompletionSource<AdapterAcquisition> Done { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
    }
}
