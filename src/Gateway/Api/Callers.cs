using Gateway.Security;

namespace Gateway.Api;

/// <summary>Who is calling, for the audit trail, and the names in request paths.</summary>
internal static class Callers
{
    private const int MaximumActorLength = 128;

    /// <summary>True when the caller may do what only operators may.</summary>
    public static bool IsOperator(this HttpContext context) => context.Caller() is not { IsOperator: false };

    /// <summary>The header <c>x-actor</c>, or "operator".</summary>
    public static string Actor(this HttpContext context)
    {
        var actor = context.Request.Headers["x-actor"].ToString();
        return actor.Length is > 0 and <= MaximumActorLength ? actor : "operator";
    }

    /// <summary>A name from the path: routing leaves an escaped slash escaped.</summary>
    public static string Name(string routeValue) => Uri.UnescapeDataString(routeValue);
}
