namespace Gateway.Hosting;

/// <summary>The layout of the data folder outside the store's own files.</summary>
public sealed record DataFolder(string Root)
{
    /// <summary>Adapter generations, one immutable folder each.</summary>
    public string Adapters => Path.Combine(Root, "adapters");

    /// <summary>Where an operator puts adapters to import; callers can name only folders below it.</summary>
    public string Import => Path.Combine(Root, "import");

    /// <summary>Training runs, one folder per job.</summary>
    public string Jobs => Path.Combine(Root, "jobs");

    /// <summary>Packed weights, which any start can make again.</summary>
    public string Cache => Path.Combine(Root, "cache");

    /// <summary>The folder of one generation.</summary>
    public string AdapterPath(string generation) => Path.Combine(Adapters, generation);

    /// <summary>The default: a per-user folder outside any source tree.</summary>
    public static string DefaultRoot()
    {
        var local = Environment.GetFolderPath(Environment.SpecialFolder.LocalApplicationData, Environment.SpecialFolderOption.DoNotVerify);
        return Path.Combine(string.IsNullOrEmpty(local) ? Path.GetTempPath() : local, "gateway");
    }
}
