namespace Gateway.Commands;

/// <summary>Reports on the calling thread, in order; <see cref="Progress{T}"/> would post to the thread pool and may reorder.</summary>
internal sealed class SynchronousProgress<T>(Action<T> handler) : IProgress<T>
{
    /// <inheritdoc/>
    public void Report(T value) => handler(value);
}
