namespace Gateway.Engine.Adapters;

/// <summary>A name under which a generation can be asked for.</summary>
public sealed record AdapterName(string Name, string Generation, int Rank, long Bytes, DateTimeOffset LoadedAt);

/// <summary>A generation in memory; retired when no name points to it any more.</summary>
public sealed record ResidentGeneration(string Generation, IReadOnlyList<string> Names, int Rank, long Bytes, bool Retired, int ActiveLeases);

/// <summary>All names and generations at one moment.</summary>
public sealed record AdapterListing(IReadOnlyList<AdapterName> Names, IReadOnlyList<ResidentGeneration> Generations);
