namespace Gateway.Hosting;

/// <summary>The layout of the data folder outside the store's own files.</summary>
public sealed record DataFolder(string Root)
{
    /// <summary>Adapter generations, one immutable folder each.</summary>
    public string Adapters => Path.Combine(Root, "adapters");

    /// <summary>Where an operator puts adapters to import; callers can name only folders below it.</summary>
    public string Import => Path.Combine(Root, "import");

    /// <summary>Uploads under way; whatever is there at a start is left over.</summary>
    public string Uploads => Path.Combine(Root, "uploads");

    /// <summary>Training runs, one folder per job.</summary>
    public string Jobs => Path.Combine(Root, "jobs");

    /// <summary>Packed weights, which any start can make again.</summary>
    public string Cache => Path.Combine(Root, "cache");

    /// <summary>Adapters that a worker fetched, which it can fetch again.</summary>
    public string AdapterCache => Path.Combine(Root, "adapter-cache");

    /// <summary>The folder of one generation.</summary>
    public string AdapterPath(string generation) => Path.Combine(Adapters, generation);

    /// <summary>Removes what uploads and copies of adapters left behind that were killed; a day is longer than any of them.</summary>
    public void Sweep(DateTimeOffset now)
    {
        foreach (var leftover in new[] { (Uploads, "*"), (Adapters, ".*") }
            .Where(place => Directory.Exists(place.Item1))
            .SelectMany(place => Directory.EnumerateDirectories(place.Item1, place.Item2))
            .Where(folder => now - Directory.GetLastWriteTimeUtc(folder) > TimeSpan.FromDays(1)))
        {
            Directory.Delete(leftover, recursive: true);
        }
    }

    /// <summary>The default: a per-user folder outside any source tree.</summary>
    public static string DefaultRoot()
    {
        var local = Environment.GetFolderPath(Environment.SpecialFolder.LocalApplicationData, Environment.SpecialFolderOption.DoNotVerify);
        return Path.Combine(string.IsNullOrEmpty(local) ? Path.GetTempPath() : local, "gateway");
    }
}
