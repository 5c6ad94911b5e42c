namespace Gateway.Storage.Files;

/// <summary>Settings of the embedded store.</summary>
public sealed record FilesStoreOptions
{
    /// <summary>A log is rewritten when more than half of it and more than this many bytes are garbage.</summary>
    public long CompactionThreshold { get; init; } = 8 << 20;
}
