using Gateway.Security;

namespace Gateway.Api;

/// <summary>Who is calling, for the audit trail, and the names in request paths.</summary>
internal static class Callers
{
    private const int MaximumActorLength = 128;

    /// <summary>The header <c>x-actor</c>, or "operator"; with keys, also whose key it was, which nobody can choose.</summary>
    public static string Actor(this HttpContext context)
    {
        var actor = context.Request.Headers["x-actor"].ToString();
        actor = actor.Length is > 0 and <= MaximumActorLength ? actor : "operator";
        return context.Caller() is { } caller ? $"{actor} (key {caller.KeyId} of {caller.Owner})" : actor;
    }

    /// <summary>A name from the path: routing leaves an escaped slash escaped.</summary>
    public static string Name(string routeValue) => Uri.UnescapeDataString(routeValue);
}
