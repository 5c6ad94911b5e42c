using System.CommandLine;
using System.Globalization;
using Gateway.Worker;

namespace Gateway.Commands;

/// <summary>The option <c>--adapter-memory</c>: MiB for adapters.</summary>
internal static class AdapterMemoryOption
{
    /// <summary>The option; its value is positive.</summary>
    /// <param name="configured">The number that the environment gives, or null.</param>
    public static Option<long> Create(Func<string?>? configured = null)
    {
        var option = new Option<long>("--adapter-memory")
        {
            Description = "Memory for adapters in MiB. Those not used for longest leave it and are read again when asked for.",
            DefaultValueFactory = _ => long.TryParse(configured?.Invoke(), CultureInfo.InvariantCulture, out var mebibytes) ? mebibytes : WorkerOptions.DefaultAdapterBytes >> 20,
        };
        option.Validators.Add(result =>
        {
            if (result.GetValueOrDefault<long>() is < 1 or > 1 << 24)
            {
                result.AddError("--adapter-memory takes a number of MiB between 1 and 16777216");
            }
        });
        return option;
    }
}
