using Gateway.Security;

namespace Gateway.Api;

/// <summary>Who is calling, for the audit trail, and the names in request paths.</summary>
internal static class Callers
{
    private const int MaximumActorLength = 128;

    /// <summary>Who is calling.</summary>
    public static Caller Caller(this HttpContext context) => context.Features.Get<Caller>() ?? Security.Caller.Local;

    /// <summary>True when the caller may do what only operators may.</summary>
    public static bool IsOperator(this HttpContext context) => context.Caller().IsOperator;

    /// <summary>The header <c>x-actor</c>, or the caller's name; with keys, whose key it was in any case, which nobody can choose.</summary>
    public static string Actor(this HttpContext context)
    {
        var actor = context.Request.Headers["x-actor"].ToString();
        var caller = context.Caller();
        return actor.Length is 0 or > MaximumActorLength ? caller.Name
            : caller.KeyId is null ? actor
            : $"{actor} ({caller.Name})";
    }

    /// <summary>A name from the path: routing leaves an escaped slash escaped.</summary>
    public static string Name(string routeValue) => Uri.UnescapeDataString(routeValue);
}
