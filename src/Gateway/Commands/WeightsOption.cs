using System.CommandLine;
using Gateway.Model.Weights;

namespace Gateway.Commands;

/// <summary>The option <c>--weights</c>: a weight format by its name.</summary>
internal static class WeightsOption
{
    /// <summary>The option; its value is null where nothing is said.</summary>
    /// <param name="purpose">What the formats are for here, and the default.</param>
    /// <param name="configured">The name that the environment gives, or null.</param>
    public static Option<WeightFormat?> Create(string purpose, Func<string?>? configured = null)
    {
        var option = new Option<WeightFormat?>("--weights")
        {
            Description = $"Weight format: f32, bf16, int8 or int4. {purpose}",
            CustomParser = result =>
            {
                if (WeightFormats.TryParse(result.Tokens[0].Value, out var format))
                {
                    return format;
                }

                result.AddError($"--weights '{result.Tokens[0].Value}' is unknown: use f32, bf16, int8 or int4");
                return null;
            },
        };
        option.DefaultValueFactory = result =>
        {
            if (configured?.Invoke() is not { } name)
            {
                return null;
            }

            if (WeightFormats.TryParse(name, out var format))
            {
                return format;
            }

            result.AddError($"GATEWAY_WEIGHTS '{name}' is unknown: use f32, bf16, int8 or int4");
            return null;
        };
        return option;
    }
}
