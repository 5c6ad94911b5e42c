using System.Text.Json;

namespace Gateway.Api.Wire;

/// <summary>Whether the model may call functions.</summary>
public enum ToolMode
{
    /// <summary>It may not.</summary>
    None,

    /// <summary>It decides.</summary>
    Auto,

    /// <summary>It must.</summary>
    Required,
}

/// <summary>A function that the model may call.</summary>
/// <param name="Name">1 to 64 letters, digits, underscores and hyphens.</param>
/// <param name="Parameters">The JSON Schema of its arguments; null when it takes none.</param>
/// <param name="Pointer">Where the schema stands in the request, as a JSON Pointer, for errors.</param>
public sealed record ToolFunction(string Name, JsonElement? Parameters, string Pointer)
{
    /// <summary>Whether a schema that cannot be enforced is an error; otherwise arguments are then any object, where no call is required.</summary>
    public bool IsStrict { get; init; }
}
