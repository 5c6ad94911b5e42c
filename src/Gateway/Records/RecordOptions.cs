using System.Globalization;

namespace Gateway.Records;

/// <summary>What is kept of interactions and for how long.</summary>
public sealed record RecordOptions
{
    /// <summary>How long interactions of deployments without a time of their own are kept; null keeps them for ever.</summary>
    public TimeSpan? Retention { get; init; }

    /// <summary>How long those of single deployments are kept, by name.</summary>
    public IReadOnlyDictionary<string, TimeSpan> RetentionOf { get; init; } = new Dictionary<string, TimeSpan>(StringComparer.Ordinal);

    /// <summary>True replaces personal data in messages, replies and feedback before anything is stored.</summary>
    public bool Redact { get; init; }

    /// <summary>Time between two looks for expired interactions.</summary>
    public TimeSpan RetentionInterval { get; init; } = TimeSpan.FromMinutes(10);

    /// <summary>How long an interaction of a deployment is kept, or null for ever.</summary>
    public TimeSpan? RetentionFor(string deployment) => RetentionOf.TryGetValue(deployment, out var own) ? own : Retention;

    /// <summary>Reads <c>DAYS</c> or <c>DEPLOYMENT=DAYS</c>; null when it is neither.</summary>
    public RecordOptions? WithRetention(string text)
    {
        var separator = text.LastIndexOf('=');
        if (separator == 0 || !double.TryParse(text.AsSpan(separator + 1), NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var days) || days is <= 0 or > 36_500)
        {
            return null;
        }

        var time = TimeSpan.FromDays(days);
        return separator < 0
            ? this with { Retention = time }
            : this with { RetentionOf = new Dictionary<string, TimeSpan>(RetentionOf, StringComparer.Ordinal) { [text[..separator]] = time } };
    }
}
