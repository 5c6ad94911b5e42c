using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using Gateway.Domain.Guards;
using Gateway.Domain.Json;
using Gateway.Hosting;

namespace Gateway.Commands;

/// <summary>The options that keep requests in bounds: their size and time, and the guards of every deployment.</summary>
internal static class ProtectionSettings
{
    private static readonly RequestLimits Defaults = new();

    private static readonly Option<long> MaximumBody = new("--max-body-bytes")
    {
        Description = "Largest request body.",
        DefaultValueFactory = _ => long.TryParse(Configured("MAX_BODY_BYTES"), CultureInfo.InvariantCulture, out var given) ? given : Defaults.MaximumBodyBytes,
    };

    private static readonly Option<int> MaximumHeaders = new("--max-header-bytes")
    {
        Description = "Largest sum of request headers.",
        DefaultValueFactory = _ => int.TryParse(Configured("MAX_HEADER_BYTES"), CultureInfo.InvariantCulture, out var given) ? given : Defaults.MaximumHeaderBytes,
    };

    private static readonly Option<TimeSpan> Connect = new("--connect-timeout")
    {
        Description = "Longest time to connect to a worker, as HH:MM:SS.",
        DefaultValueFactory = _ => TimeSpan.TryParse(Configured("CONNECT_TIMEOUT"), CultureInfo.InvariantCulture, out var given) ? given : Defaults.Connect,
    };

    private static readonly Option<string?> Guards = new("--guards")
    {
        Description = "JSON file with the guards of every deployment, {\"rules\":[…]} as in a contract.",
        DefaultValueFactory = _ => Configured("GUARDS"),
    };

    /// <summary>Where guards may ask.</summary>
    public static readonly Option<Uri[]> GuardAddresses = new("--guard-address")
    {
        Description = "Let guards ask the classifier at this address, http://HOST:PORT (repeatable).",
        DefaultValueFactory = _ => [.. (Configured("GUARD_ADDRESSES") ?? "").Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries).Select(address => new Uri(address))],
    };

    /// <summary>All of them.</summary>
    public static IReadOnlyList<Option> All { get; } = [MaximumBody, MaximumHeaders, Connect, Guards, GuardAddresses];

    /// <summary>The limits that were given.</summary>
    public static RequestLimits ReadLimits(ParseResult parsed) => Defaults with
    {
        MaximumBodyBytes = parsed.GetValue(MaximumBody),
        MaximumHeaderBytes = parsed.GetValue(MaximumHeaders),
        Connect = parsed.GetValue(Connect),
    };

    /// <summary>The guards in the file, or the sentence that says what is wrong with it.</summary>
    public static async Task<(GuardPolicy? Guards, string? Problem)> ReadGuardsAsync(ParseResult parsed, CancellationToken cancellationToken)
    {
        if (parsed.GetValue(Guards) is not { } file)
        {
            return (null, null);
        }

        try
        {
            var policy = JsonSerializer.Deserialize(await File.ReadAllBytesAsync(file, cancellationToken), DomainJson.Default.GuardPolicy)?.Whole();
            return GuardValidation.Check(policy, "") is [var problem, ..] ? (null, $"--guards {file}: {problem.Pointer} {problem.Message}") : (policy, null);
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException or JsonException)
        {
            return (null, $"--guards {file} cannot be read: {failure.Message}");
        }
    }

    private static string? Configured(string name) => Environment.GetEnvironmentVariable($"GATEWAY_{name}") is { Length: > 0 } value ? value : null;
}
