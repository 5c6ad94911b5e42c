namespace Gateway.Engine.Adapters;

/// <summary>A name under which a generation can be asked for; one that is not resident is read again when it is.</summary>
public sealed record AdapterName(string Name, string Generation, int Rank, long Bytes, DateTimeOffset LoadedAt, bool Resident, bool Pinned);

/// <summary>A generation in memory; retired when no name points to it any more.</summary>
public sealed record ResidentGeneration(string Generation, IReadOnlyList<string> Names, int Rank, long Bytes, bool Retired, int ActiveLeases);

/// <summary>All names and resident generations at one moment.</summary>
/// <param name="Names">In ordinal order.</param>
/// <param name="Generations">Those in memory, by generation.</param>
/// <param name="HeldBytes">Native memory of all of them, and of those that are just being freed.</param>
/// <param name="Waiting">Callers that wait for a generation to be read.</param>
public sealed record AdapterListing(IReadOnlyList<AdapterName> Names, IReadOnlyList<ResidentGeneration> Generations, long HeldBytes, int Waiting);
