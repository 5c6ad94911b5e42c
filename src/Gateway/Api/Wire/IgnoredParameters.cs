namespace Gateway.Api.Wire;

/// <summary>The header that names the fields a request gave without effect.</summary>
public static class IgnoredParameters
{
    /// <summary>Name of the header.</summary>
    public const string HeaderName = "x-ignored-parameters";

    private const int MaximumLength = 1024;

    /// <summary>The names, separated by commas. They come from the caller, so whatever is not plain is escaped and the length is bounded.</summary>
    public static string HeaderValue(IReadOnlyList<string> names)
    {
        var value = string.Join(", ", names.Take(MaximumLength).Select(Uri.EscapeDataString));
        return value.Length <= MaximumLength ? value : $"{value[..MaximumLength]}...";
    }
}
