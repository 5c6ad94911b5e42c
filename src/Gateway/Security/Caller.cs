namespace Gateway.Security;

/// <summary>Who sent a request, as whoever checked it set it on the request's features.</summary>
/// <param name="Owner">For the audit trail.</param>
/// <param name="IsOperator">True for whoever may change the server.</param>
public sealed record Caller(string Owner, bool IsOperator);

/// <summary>The caller of a request.</summary>
internal static class CallerOfRequest
{
    /// <summary>Who sent it; null where nobody checks, and then everybody may do everything.</summary>
    public static Caller? Caller(this HttpContext context) => context.Features.Get<Caller>();
}
