using Gateway.Storage;

namespace Gateway.Jobs;

/// <summary>One lease kept over many steps: taken when free, renewed when half of it is over. Used by one caller at a time.</summary>
internal sealed class HeldLease(Leases leases, string name, string owner, TimeSpan duration, TimeProvider clock)
{
    private Lease? _lease;

    /// <summary>True when this process may act now; false while another holds the lease.</summary>
    public async Task<bool> KeepAsync(CancellationToken cancellationToken)
    {
        if (_lease is { } held && held.ExpiresAt - clock.GetUtcNow() > duration / 2)
        {
            return true;
        }

        _lease = _lease is { } current ? await leases.RenewAsync(current, duration, cancellationToken) : null;
        _lease ??= await leases.TryAcquireAsync(name, owner, duration, cancellationToken);
        return _lease is not null;
    }

    /// <summary>Gives the lease back, so that another need not wait for its end.</summary>
    public async Task ReleaseAsync(CancellationToken cancellationToken)
    {
        if (_lease is { } held)
        {
            _lease = null;
            await leases.ReleaseAsync(held, cancellationToken);
        }
    }
}
