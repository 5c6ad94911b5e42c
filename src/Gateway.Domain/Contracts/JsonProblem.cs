namespace Gateway.Domain.Contracts;

/// <summary>Something wrong at a place in a JSON document.</summary>
/// <param name="Pointer">JSON Pointer (RFC 6901) to the place; empty for the whole document.</param>
/// <param name="Message">What is wrong there.</param>
public readonly record struct JsonProblem(string Pointer, string Message)
{
    /// <inheritdoc/>
    public override string ToString() => $"{(Pointer.Length == 0 ? "(root)" : Pointer)}: {Message}";

    /// <summary>The pointer to member or index <paramref name="token"/> below <paramref name="pointer"/>.</summary>
    internal static string Append(string pointer, string token) =>
        $"{pointer}/{token.Replace("~", "~0", StringComparison.Ordinal).Replace("/", "~1", StringComparison.Ordinal)}";
}
