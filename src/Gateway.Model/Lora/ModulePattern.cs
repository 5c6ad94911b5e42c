using System.Text.RegularExpressions;

namespace Gateway.Model.Lora;

/// <summary>
/// Regular expressions of an adapter_config.json. They come from outside, so matching is bounded in time; a pattern that
/// does not parse or takes too long makes the adapter invalid.
/// </summary>
internal sealed class ModulePattern
{
    private static readonly TimeSpan Patience = TimeSpan.FromMilliseconds(200);

    private readonly string _field;
    private readonly Regex _regex;

    private ModulePattern(string field, string pattern)
    {
        _field = field;
        try
        {
            _regex = new Regex(pattern, RegexOptions.CultureInvariant, Patience);
        }
        catch (ArgumentException exception)
        {
            throw new InvalidAdapterException($"adapter_config.json: {field} is not a regular expression ({exception.Message}); correct it.", exception);
        }
    }

    /// <summary>Matches the whole path (target_modules and exclude_modules given as one string).</summary>
    public static ModulePattern Full(string field, string pattern) => new(field, $@"\A(?:{pattern})\z");

    /// <summary>Matches the path or a dotted tail of it (keys of rank_pattern and alpha_pattern).</summary>
    public static ModulePattern Suffix(string field, string pattern) => new(field, $@"\A(?:.*\.)?(?:{pattern})\z");

    /// <summary>Captures the layer index that follows <paramref name="pattern"/> (layers_pattern).</summary>
    public static ModulePattern LayerIndex(string field, string pattern) => new(field, $@"\A.*\.(?:{pattern})\.(?<index>[0-9]+)\.");

    /// <summary>True when the path matches.</summary>
    public bool IsMatch(string path) => Match(path).Success;

    /// <summary>The captured layer index, or null when the path does not match.</summary>
    public int? IndexIn(string path) => Match(path) is { Success: true } match ? int.Parse(match.Groups["index"].ValueSpan, provider: null) : null;

    private Match Match(string path)
    {
        try
        {
            return _regex.Match(path);
        }
        catch (RegexMatchTimeoutException exception)
        {
            throw new InvalidAdapterException($"adapter_config.json: {_field} takes too long to match; simplify the regular expression.", exception);
        }
    }
}
