namespace Gateway.Engine.Grammars;

/// <summary>A schema, pattern or list of choices that cannot be enforced while decoding.</summary>
/// <param name="pointer">JSON Pointer (RFC 6901) to the construct; empty for the whole.</param>
/// <param name="message">What is wrong there and what to do.</param>
public sealed class GrammarException(string pointer, string message) : Exception($"{(pointer.Length == 0 ? "(root)" : pointer)}: {message}")
{
    /// <summary>Where in the schema.</summary>
    public string Pointer { get; } = pointer;

    /// <summary>What is wrong there, without the pointer.</summary>
    public string Problem { get; } = message;
}
