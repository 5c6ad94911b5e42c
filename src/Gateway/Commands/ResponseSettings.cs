using System.CommandLine;
using System.Globalization;
using Gateway.Responses;

namespace Gateway.Commands;

/// <summary>The options that say how long responses are kept and how long their conversations may grow.</summary>
internal static class ResponseSettings
{
    private static readonly ResponseOptions Defaults = new();
    private static readonly Option<int> Days = Number("response-days", "Days that a response is kept after it, or a later one of its conversation, was made", (int)Defaults.KeepFor.TotalDays, 3650);
    private static readonly Option<int> Turns = Number("response-turns", "Most responses that one may continue, one after the other", Defaults.MaximumAncestors, 100_000);
    private static readonly Option<int> Bytes = Number("response-bytes", "Most bytes of items in a conversation of responses", (int)Defaults.MaximumChainBytes, int.MaxValue);

    /// <summary>All of them.</summary>
    public static IReadOnlyList<Option> All { get; } = [Days, Turns, Bytes];

    /// <summary>The values that were given.</summary>
    public static ResponseOptions Read(ParseResult parsed) => Defaults with
    {
        KeepFor = TimeSpan.FromDays(parsed.GetValue(Days)),
        MaximumAncestors = parsed.GetValue(Turns),
        MaximumChainBytes = parsed.GetValue(Bytes),
    };

    private static Option<int> Number(string name, string description, int otherwise, int most)
    {
        var option = new Option<int>($"--{name}")
        {
            Description = $"{description}.",
            DefaultValueFactory = _ => int.TryParse(
                Environment.GetEnvironmentVariable($"GATEWAY_{name.Replace('-', '_').ToUpperInvariant()}"), NumberStyles.None, CultureInfo.InvariantCulture, out var given) ? given : otherwise,
        };
        option.Validators.Add(result =>
        {
            if (result.GetValueOrDefault<int>() is var number && (number < 1 || number > most))
            {
                result.AddError($"--{name} must be from 1 to {most}.");
            }
        });
        return option;
    }
}
